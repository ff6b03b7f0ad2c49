# Kernels under Oclgrind, an OpenCL device that reports races, accesses outside of buffers and
# uninitialised values. A small training always runs, where Oclgrind is installed; the suites take
# many minutes and run with `sh tests/run.sh --oclgrind` (ctest -C oclgrind -L oclgrind) only.

find_library(CHAINRULE_OCLGRIND NAMES oclgrind-rt PATH_SUFFIXES oclgrind
             DOC "the library that Oclgrind loads into a program")
mark_as_advanced(CHAINRULE_OCLGRIND)

# What a sanitizer needs to be loaded first is not.
string(TOUPPER "${CMAKE_BUILD_TYPE}" build_type)
if(NOT CHAINRULE_OCLGRIND)
  set(obstacle "Oclgrind was not found (sh tests/run.sh --oclgrind installs it)")
elseif("${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${build_type}}" MATCHES "-fsanitize")
  set(obstacle "Oclgrind does not run beside sanitizers")
endif()
if(DEFINED obstacle)
  message(STATUS "tests: ${obstacle}, so oclgrind is skipped")
  add_test(NAME oclgrind COMMAND "${CMAKE_COMMAND}" -E echo "skipped: ${obstacle}")
  set_tests_properties(oclgrind PROPERTIES LABELS oclgrind SKIP_REGULAR_EXPRESSION "skipped: ")
  return()
endif()

add_library(chainrule_whole_writes MODULE opencl/whole_writes.cpp)
target_link_libraries(chainrule_whole_writes PRIVATE OpenCL::OpenCL)
add_executable(test_opencl_bad_kernels opencl/bad_kernels.cpp)
target_link_libraries(test_opencl_bad_kernels PRIVATE chainrule::opencl)
chainrule_own_target(chainrule_whole_writes)
chainrule_own_target(test_opencl_bad_kernels)

# oclgrind_test(<name> PROGRAM <target> [<argument>...] [LAYOUT cpu|gpu] [WANTED <report>] [LONG])
function(oclgrind_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "LONG" "LAYOUT;WANTED" "PROGRAM")
  list(POP_FRONT arg_PROGRAM target)
  list(JOIN arg_PROGRAM "|" arguments)
  set(wanted)
  if(DEFINED arg_WANTED)
    set(wanted -D "WANTED=${arg_WANTED}")
  endif()
  set(when)
  if(arg_LONG)
    set(when CONFIGURATIONS oclgrind)
  endif()
  add_test(NAME oclgrind.${name} ${when}
           COMMAND "${CMAKE_COMMAND}" -D "OCLGRIND=${CHAINRULE_OCLGRIND}"
                   -D "WRITES=$<TARGET_FILE:chainrule_whole_writes>"
                   -D "WORK=${CMAKE_CURRENT_BINARY_DIR}/oclgrind" -D "NAME=${name}"
                   -D "PROGRAM=$<TARGET_FILE:${target}>|${arguments}" -D "LAYOUT=${arg_LAYOUT}"
                   ${wanted} -P "${CMAKE_CURRENT_SOURCE_DIR}/opencl/oclgrind.cmake")
  set_tests_properties(oclgrind.${name} PROPERTIES LABELS oclgrind TIMEOUT 3600
                       ENVIRONMENT "${counting_environment}")
endfunction()

# Mistakes that it has to find.
oclgrind_test(finds_race PROGRAM test_opencl_bad_kernels race WANTED "data race")
oclgrind_test(finds_bounds PROGRAM test_opencl_bad_kernels bounds WANTED "Invalid read")
oclgrind_test(finds_uninitialized PROGRAM test_opencl_bad_kernels uninitialized
              WANTED "Uninitialized value")
oclgrind_test(finds_nothing PROGRAM test_opencl_bad_kernels none)

foreach(layout IN ITEMS cpu gpu)
  oclgrind_test(training.${layout} PROGRAM test_opencl_two_steps LAYOUT ${layout})
  foreach(area IN ITEMS conformance layers losses optim)
    oclgrind_test(${area}.${layout} PROGRAM test_opencl_${area} LAYOUT ${layout} LONG)
  endforeach()
  # What layers, activations and losses do, without the many functions of one variable each.
  oclgrind_test(gradients.${layout} PROGRAM test_opencl_gradients "[networks]" LAYOUT ${layout}
                LONG)
  set_tests_properties(oclgrind.gradients.${layout} PROPERTIES
    ENVIRONMENT "${counting_environment};CHAINRULE_TEST_GRADIENTS=double")
endforeach()
