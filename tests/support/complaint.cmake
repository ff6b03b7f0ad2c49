# Shared by the scripts that test a check of ours.

# expect_complaint(<name> <wanted> <exit status> <output>): fails unless the check complained of
# what is wanted, or, if "nothing" is, passed.
function(expect_complaint name wanted result out)
  if(wanted STREQUAL "nothing")
    if(NOT result EQUAL 0)
      message(FATAL_ERROR "${name}: expected no complaint, got\n${out}")
    endif()
    return()
  endif()
  string(REGEX REPLACE "[ \n]+" " " said "${out}")  # CMake wraps its messages
  string(FIND "${said}" "${wanted}" found)
  if(result EQUAL 0 OR found EQUAL -1)
    message(FATAL_ERROR "${name}: expected the complaint \"${wanted}\", got (${result})\n${out}")
  endif()
endfunction()
