# Runs a program under Oclgrind, an OpenCL device that checks what kernels do, and fails on any
# report: a race, an access outside of a buffer, an uninitialised value that is used, a wrong call.
#
#   cmake -D OCLGRIND=<its library> -D WRITES=<whole_writes library> -D WORK=<folder> -D NAME=<name>
#         -D "PROGRAM=<program and arguments, joined by |>" [-D LAYOUT=cpu|gpu]
#         [-D WANTED=<regular expression>] -P oclgrind.cmake
#
# With WANTED the program has to cause a report that matches.

cmake_minimum_required(VERSION 3.22)

file(MAKE_DIRECTORY "${WORK}")
set(log "${WORK}/${NAME}.log")
file(REMOVE "${log}")
string(REPLACE "|" ";" command "${PROGRAM}")
set(ENV{LD_PRELOAD} "${WRITES}:${OCLGRIND}")
set(ENV{OCLGRIND_LOG} "${log}")
set(ENV{OCLGRIND_DATA_RACES} 1)
set(ENV{OCLGRIND_UNINITIALIZED} 1)
set(ENV{OCLGRIND_CHECK_API} 1)
set(ENV{OCLGRIND_MAX_ERRORS} 20)
set(ENV{OCLGRIND_BUILD_OPTIONS} -cl-opt-disable)  # it does not know all that an optimizer makes
set(ENV{CHAINRULE_DEVICE_LAYOUT} "${LAYOUT}")
set(ENV{CHAINRULE_OPENCL_PERSISTENT} 0)  # groups that wait for each other's writes are races to it
execute_process(COMMAND ${command} RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE err)
set(report "")
if(EXISTS "${log}")
  file(READ "${log}" report)
endif()
message("${out}${err}")

if(NOT DEFINED WANTED)
  if(NOT result EQUAL 0 OR NOT report STREQUAL "")
    message(FATAL_ERROR "${NAME}: the program returned ${result}, Oclgrind reports:\n${report}")
  endif()
  message(STATUS "${NAME}: Oclgrind has nothing to report")
elseif(NOT report MATCHES "${WANTED}")
  message(FATAL_ERROR "${NAME}: expected a report of \"${WANTED}\", got (${result}):\n${report}")
endif()
