# CUDA: what the host does and whether every kernel compiles, which take no GPU, and the suites over
# the CUDA backend. Without a GPU the suites say so and ctest lists them as skipped; their programs
# run on the emulated device all the same (emulated.cmake).

set(no_toolkit "the CUDA toolkit (cudart, NVRTC, cuBLASLt) was not found")
if(NOT TARGET chainrule::cuda)
  add_test(NAME cuda COMMAND "${CMAKE_COMMAND}" -E echo
                             "skipped: ${no_toolkit} when this was configured")
  set_tests_properties(cuda PROPERTIES LABELS cuda SKIP_REGULAR_EXPRESSION "skipped: ")
  chainrule_skip_suites(cuda "${no_toolkit}" device)
  return()
endif()

add_executable(test_cuda ${files_of_cuda} cuda/traced_texts.cpp)
chainrule_compile_in_batches(test_cuda)
target_link_libraries(test_cuda PRIVATE chainrule_test_support chainrule::cuda)
chainrule_own_target(test_cuda)
add_test(NAME cuda COMMAND test_cuda)
# All kernels compile for the oldest and the newest family of GPUs, and with -C long for each.
set_tests_properties(cuda PROPERTIES LABELS cuda TIMEOUT 900 ENVIRONMENT "${counting_environment}")
add_test(NAME cuda.every_family CONFIGURATIONS long
         COMMAND test_cuda "every kernel compiles for families*")
set_tests_properties(cuda.every_family PROPERTIES LABELS "cuda;long" TIMEOUT 900
                     ENVIRONMENT "CHAINRULE_TEST_ALL_FAMILIES=1")

# Built for the emulated device as well, see emulated.cmake.
add_library(chainrule_emulated_cuda STATIC emulated/blas.cpp emulated/device.cpp
            emulated/fibers.cpp emulated/kernel.cpp)
target_include_directories(chainrule_emulated_cuda PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}")
target_compile_definitions(chainrule_emulated_cuda PRIVATE
  "CHAINRULE_EMULATED_COMPILER=\"${CMAKE_CXX_COMPILER}\""
  "CHAINRULE_EMULATED_FOLDER=\"${CMAKE_CURRENT_SOURCE_DIR}/emulated\"")
target_link_libraries(chainrule_emulated_cuda PUBLIC chainrule::cuda)
chainrule_own_target(chainrule_emulated_cuda)

foreach(area IN LISTS backend_areas ITEMS device)
  chainrule_backend_suite(cuda ${area} FILES ${files_of_${area}} support/device_main.cpp
                          LIBS chainrule_emulated_cuda Catch2::Catch2)
  set_tests_properties(cuda.${area} PROPERTIES ENVIRONMENT "${device_environment}")
endforeach()
set_tests_properties(cuda.device PROPERTIES ENVIRONMENT "${counting_environment}")
