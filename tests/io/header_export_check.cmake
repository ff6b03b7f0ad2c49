# Compiles exported headers as C++11, without the library, and compares what they compute with the
# networks' own outputs.
#
#   cmake -D PROGRAM=<test_io> -D COMPILER=<C++ compiler> -D WORK=<folder> -P header_export_check.cmake

cmake_minimum_required(VERSION 3.22)

file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")
function(run what)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY "${WORK}" RESULT_VARIABLE status
                  OUTPUT_VARIABLE text ERROR_VARIABLE text)
  message(STATUS "${what}:\n${text}")
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${what} failed: ${status}")
  endif()
endfunction()

run("exporting" "${CMAKE_COMMAND}" -E env "CHAINRULE_TEST_HEADERS=${WORK}" "${PROGRAM}"
    "networks for header_export_check.cmake")
run("compiling" "${COMPILER}" -std=c++11 -Wall -Wextra -Wshadow -pedantic -Werror check.cpp -o check)
run("compiling the example" "${COMPILER}" -std=c++11 -Wall -Wextra -Wshadow -pedantic -Werror -I.
    -c "${CMAKE_CURRENT_LIST_DIR}/header_export_use.cpp" -o use.o)
run("comparing" "${WORK}/check")
