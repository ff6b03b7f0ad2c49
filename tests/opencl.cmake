# The areas whose tests run over a list of backends, once more over OpenCL. Where the machine has no
# OpenCL device the program says so and ctest lists the test as skipped.

set(opencl_areas conformance layers losses training)
set(files_of_training opencl/training_test.cpp)

if(NOT TARGET chainrule::opencl)
  message(STATUS "tests: the OpenCL headers and loader were not found, so opencl.* are skipped")
  foreach(area IN LISTS opencl_areas)
    add_test(NAME opencl.${area} COMMAND "${CMAKE_COMMAND}" -E echo
             "skipped: the OpenCL headers and loader were not found when this was configured")
    set_tests_properties(opencl.${area} PROPERTIES LABELS opencl SKIP_REGULAR_EXPRESSION "skipped: ")
  endforeach()
  return()
endif()

foreach(area IN LISTS opencl_areas)
  add_executable(test_opencl_${area} ${files_of_${area}} support/opencl_main.cpp)
  target_compile_definitions(test_opencl_${area} PRIVATE CHAINRULE_TEST_OPENCL)
  target_include_directories(test_opencl_${area} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
  target_link_libraries(test_opencl_${area} PRIVATE chainrule::opencl Catch2::Catch2)
  chainrule_own_target(test_opencl_${area})
  add_test(NAME opencl.${area} COMMAND test_opencl_${area})
  # What a driver leaks when the program ends is not ours.
  set_tests_properties(opencl.${area} PROPERTIES LABELS opencl TIMEOUT 600 SKIP_RETURN_CODE 77
                       ENVIRONMENT "ASAN_OPTIONS=detect_leaks=0")
endforeach()
