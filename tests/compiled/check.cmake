# Files with chainrule::compiled and without it train to the same bits in one program, and the object
# that links the library has little code of its own.
#
#   cmake -D PROGRAM=<compiled_check> -D HEADER_ONLY=<object> -D COMPILED=<object> -P check.cmake
cmake_minimum_required(VERSION 3.22)

execute_process(COMMAND "${PROGRAM}" COMMAND_ERROR_IS_FATAL ANY)
file(SIZE "${HEADER_ONLY}" all)
file(SIZE "${COMPILED}" rest)
math(EXPR most "${all} / 2")
if(rest GREATER most)
  message(FATAL_ERROR "the object that links chainrule::compiled has ${rest} bytes, where the header-only "
                      "one has ${all}: what the library has is compiled again")
endif()
message(STATUS "objects of ${all} bytes, with chainrule::compiled ${rest}")
