# The README's program, compiled with the amalgamated header alone, prints the result that it prints
# with the folder of headers.
#
#   cmake -D SOURCE=.. -D WORK=.. -D COMPILER=.. -D "FLAGS=a|b" -P check_amalgamated.cmake
cmake_minimum_required(VERSION 3.22)

file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}/one")
execute_process(COMMAND "${CMAKE_COMMAND}" -D "OUTPUT=${WORK}/one/chainrule.hpp"
                        -P "${SOURCE}/cmake/amalgamate.cmake" COMMAND_ERROR_IS_FATAL ANY)

file(READ "${SOURCE}/README.md" page)
string(FIND "${page}" "\n```cpp\n#include <chainrule/chainrule.hpp>" begin)
if(begin EQUAL -1)
  message(FATAL_ERROR "README.md has no program")
endif()
math(EXPR begin "${begin} + 8")
string(SUBSTRING "${page}" ${begin} -1 program)
string(FIND "${program}" "\n```" end)
string(SUBSTRING "${program}" 0 ${end} program)
file(WRITE "${WORK}/folder.cpp" "${program}\n")
string(REGEX REPLACE "#include <chainrule/[^\n]*\n" "" program "${program}")
file(WRITE "${WORK}/one.cpp" "#include \"chainrule.hpp\"\n${program}\n")
# Several files of a program may include the header.
file(WRITE "${WORK}/second.cpp" "#include \"chainrule.hpp\"\n")

# result(<variable> <include folder> <file>...): compiles and runs; assigns the last line.
string(REPLACE "|" ";" flags "${FLAGS}")
function(result variable folder)
  execute_process(COMMAND "${COMPILER}" ${flags} -pthread "-I${folder}" ${ARGN} -o program
                  WORKING_DIRECTORY "${WORK}" RESULT_VARIABLE status ERROR_VARIABLE errors)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGN}: does not compile:\n${errors}")
  endif()
  execute_process(COMMAND ./program WORKING_DIRECTORY "${WORK}" OUTPUT_VARIABLE output
                  COMMAND_ERROR_IS_FATAL ANY)
  if(NOT output MATCHES "(test loss [^\n]*)\n$")
    message(FATAL_ERROR "${ARGN}: no result in\n${output}")
  endif()
  set(${variable} "${CMAKE_MATCH_1}" PARENT_SCOPE)
endfunction()
result(expected "${SOURCE}/include" folder.cpp)
result(got "${WORK}/one" one.cpp second.cpp)
if(NOT got STREQUAL expected)
  message(FATAL_ERROR "with one header: ${got}; with the folder: ${expected}")
endif()
message(STATUS "${got}: with one header as with the folder")
