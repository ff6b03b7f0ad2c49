# Every number of the texts has its line: the program prints exactly one for each id of ids.txt, and
# none for an id that is not there.
#
#   cmake -D PROGRAM=<test_seeds> -P rows.cmake
#
# `ctest -R seeds -V` shows the lines. ("T8 skipped: ..." is one: that row needs MNIST.)

cmake_minimum_required(VERSION 3.22)

execute_process(COMMAND "${PROGRAM}" OUTPUT_VARIABLE output ERROR_VARIABLE output
                RESULT_VARIABLE result)
message("${output}")
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} failed (${result}), see above")
endif()

file(READ "${CMAKE_CURRENT_LIST_DIR}/ids.txt" ids)
string(REGEX MATCHALL "[A-Z][0-9]+" ids "${ids}")
if(NOT ids)
  message(FATAL_ERROR "ids.txt names no row")
endif()
string(REGEX REPLACE "[][;]" " " output "${output}")  # which would mean something in a list
string(REGEX MATCHALL "\n[A-Z][0-9]+ [^\n]+" lines "\n${output}")
set(printed ${lines})
list(TRANSFORM printed REPLACE "\n([A-Z][0-9]+) .*" "\\1")
set(complaints)
foreach(id IN LISTS ids)
  set(count 0)
  foreach(other IN LISTS printed)
    if(other STREQUAL id)
      math(EXPR count "${count} + 1")
    endif()
  endforeach()
  if(NOT count EQUAL 1)
    list(APPEND complaints "row ${id} is printed ${count} times, expected once")
  endif()
endforeach()
list(REMOVE_ITEM printed ${ids})
foreach(id IN LISTS printed)
  list(APPEND complaints "row ${id} is printed, but ids.txt does not name it")
endforeach()
if(complaints)
  list(JOIN complaints "\n  " text)
  message(FATAL_ERROR "the rows are not what ids.txt says:\n  ${text}\n")
endif()
list(LENGTH ids count)
message("all ${count} rows are there")
