# The suites over OpenCL. Where the machine has no OpenCL device the program says so and ctest lists
# the test as skipped.

if(NOT TARGET chainrule::opencl)
  chainrule_skip_suites(opencl "the OpenCL headers and loader were not found" device program_cache)
  return()
endif()

chainrule_device_suites(opencl)

# The kernels for GPUs, on whatever device there is. Building them takes minutes on a processor:
# sh tests/run.sh -C long
add_test(NAME opencl.gpu_layout CONFIGURATIONS long COMMAND test_opencl_conformance)
set_tests_properties(opencl.gpu_layout PROPERTIES LABELS "opencl;long" TIMEOUT 1800
                     SKIP_RETURN_CODE 77
                     ENVIRONMENT "${device_environment};CHAINRULE_DEVICE_LAYOUT=gpu")

# The table of gradients in float needs as many kernels again as in double, and they take minutes.
set_tests_properties(opencl.gradients PROPERTIES
  ENVIRONMENT "${device_environment};CHAINRULE_TEST_GRADIENTS=double")
add_test(NAME opencl.gradients_in_float CONFIGURATIONS long COMMAND test_opencl_gradients)
set_tests_properties(opencl.gradients_in_float PROPERTIES LABELS "opencl;long" TIMEOUT 1800
  SKIP_RETURN_CODE 77 ENVIRONMENT "${device_environment};CHAINRULE_TEST_GRADIENTS=float")

# Two runs of one program: the second builds no kernel.
add_executable(test_opencl_two_steps opencl/two_steps.cpp)
target_link_libraries(test_opencl_two_steps PRIVATE chainrule::opencl)
chainrule_own_target(test_opencl_two_steps)
add_test(NAME opencl.program_cache
         COMMAND "${CMAKE_COMMAND}" -D "PROGRAM=$<TARGET_FILE:test_opencl_two_steps>"
                 -D "WORK=${CMAKE_CURRENT_BINARY_DIR}/program_cache"
                 -P "${CMAKE_CURRENT_SOURCE_DIR}/opencl/program_cache.cmake")
set_tests_properties(opencl.program_cache PROPERTIES LABELS opencl TIMEOUT 600
                     SKIP_REGULAR_EXPRESSION "skipped: " ENVIRONMENT "${device_environment}")

include(oclgrind.cmake)
