# g++ compiles for size what always calls a function that is [[gnu::cold]], with the loops that
# follow: no function that a user calls may be one.
#
#   cmake -D SOURCE=<this folder> -D INCLUDE=<flags joined by |> -D WORK=<folder>
#         -D COMPILER=<g++> -D NM=<nm> -P cold.cmake

cmake_minimum_required(VERSION 3.22)

file(MAKE_DIRECTORY "${WORK}")
string(REPLACE "|" ";" include "${INCLUDE}")
set(object "${WORK}/users.o")
execute_process(COMMAND "${COMPILER}" -std=c++20 -O2 ${include} -c "${SOURCE}/users.cpp" -o "${object}"
                COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${NM}" --format=sysv --demangle "${object}" OUTPUT_VARIABLE symbols
                COMMAND_ERROR_IS_FATAL ANY)
# name(arguments) |address|class|type|size|line|section; parts of functions are [clone .cold].
string(REGEX MATCHALL "\nuser_[a-z_]+\\([^\n]*\\) *\\|[^\n]*\\|[.a-z]+" lines "${symbols}")

set(found 0)
foreach(line IN LISTS lines)
  string(REGEX MATCH "user_[a-z_]+" name "${line}")
  string(REGEX MATCH "[.a-z]+$" section "${line}")
  math(EXPR found "${found} + 1")
  if(name STREQUAL "user_calls_cold")
    set(expected ".text.unlikely")
  else()
    set(expected ".text")
  endif()
  if(NOT section STREQUAL expected)
    message(FATAL_ERROR "${name} is in ${section}, expected in ${expected}: which function that it "
                        "calls is cold, or always calls one that is?")
  endif()
endforeach()
if(NOT found EQUAL 5)
  message(FATAL_ERROR "expected 5 functions of a user, found ${found}")
endif()
