# Runs a program that trains on an OpenCL device twice, with a folder of its own for built kernels.
# The first run builds them all, the second none, a third one builds those that were damaged; all
# find the same weights.
#
#   cmake -D PROGRAM=.. -D WORK=.. -P program_cache.cmake

cmake_minimum_required(VERSION 3.22)

set(folder "${WORK}/programs")
file(REMOVE_RECURSE "${folder}")
set(ENV{CHAINRULE_CACHE_DIR} "${folder}")

# run(<what> <regular expression for the number of builds>)
function(run what wanted)
  execute_process(COMMAND "${PROGRAM}" RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(result EQUAL 77)
    message("${out}")  # "skipped: ..."
    set(result skipped PARENT_SCOPE)
    return()
  endif()
  if(NOT result EQUAL 0 OR NOT out MATCHES "weights ([^\n]+)\nbuilds (${wanted})\n")
    message(FATAL_ERROR "${what}: expected builds ${wanted}, got (${result}):\n${out}${err}")
  endif()
  message(STATUS "${what}: builds ${CMAKE_MATCH_2}")
  if(DEFINED weights AND NOT CMAKE_MATCH_1 STREQUAL weights)
    message(FATAL_ERROR "${what}: weights ${CMAKE_MATCH_1}, the first run found ${weights}")
  endif()
  set(weights "${CMAKE_MATCH_1}" PARENT_SCOPE)
endfunction()

run("nothing is kept yet" "[1-9][0-9]*")
if(result STREQUAL skipped)
  return()
endif()
run("all are kept" 0)
file(GLOB entries "${folder}/*.program")
list(GET entries 0 first)
list(GET entries -1 last)
file(WRITE "${first}" "")
file(WRITE "${last}" "damaged")
run("two are damaged" 2)
run("all are kept again" 0)
