# The suites over OpenCL. Where the machine has no OpenCL device the program says so and ctest lists
# the test as skipped.

if(NOT TARGET chainrule::opencl)
  chainrule_skip_suites(opencl "the OpenCL headers and loader were not found" device)
  return()
endif()

chainrule_device_suites(opencl)
