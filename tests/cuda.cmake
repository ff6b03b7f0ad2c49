# CUDA: what the host does and whether every kernel compiles, which take no GPU, and the suites over
# the CUDA backend. Without a GPU the suites say so and ctest lists them as skipped; as they take
# their time to compile, only some are then built, unless CHAINRULE_TEST_ALL_CUDA is on.

set(no_toolkit "the CUDA toolkit (cudart, NVRTC, cuBLASLt) was not found")
if(NOT TARGET chainrule::cuda)
  add_test(NAME cuda COMMAND "${CMAKE_COMMAND}" -E echo
                             "skipped: ${no_toolkit} when this was configured")
  set_tests_properties(cuda PROPERTIES LABELS cuda SKIP_REGULAR_EXPRESSION "skipped: ")
  chainrule_skip_suites(cuda "${no_toolkit}" device)
  return()
endif()

add_executable(test_cuda ${files_of_cuda} cuda/traced_texts.cpp)
target_link_libraries(test_cuda PRIVATE chainrule_test_support chainrule::cuda)
chainrule_own_target(test_cuda)
add_test(NAME cuda COMMAND test_cuda)
# Compiling all kernels for five families of GPUs takes about a minute.
set_tests_properties(cuda PROPERTIES LABELS cuda TIMEOUT 900 ENVIRONMENT "${counting_environment}")

# CUDA where there is no GPU; the suites take it with CHAINRULE_EMULATED_CUDA=1.
add_library(chainrule_emulated_cuda STATIC emulated/blas.cpp emulated/device.cpp
            emulated/fibers.cpp emulated/kernel.cpp)
target_include_directories(chainrule_emulated_cuda PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}")
target_compile_definitions(chainrule_emulated_cuda
                           PRIVATE "CHAINRULE_EMULATED_COMPILER=\"${CMAKE_CXX_COMPILER}\"")
target_link_libraries(chainrule_emulated_cuda PUBLIC chainrule::cuda)
chainrule_own_target(chainrule_emulated_cuda)

file(GLOB gpus /dev/nvidia[0-9]*)
if(gpus)
  set(has_gpu ON)
else()
  set(has_gpu OFF)
endif()
option(CHAINRULE_TEST_ALL_CUDA "build all test suites for CUDA, also where there is no GPU"
       ${has_gpu})

set(always conformance device)
foreach(area IN LISTS backend_areas ITEMS device)
  if(area IN_LIST always OR CHAINRULE_TEST_ALL_CUDA)
    chainrule_backend_suite(cuda ${area} FILES ${files_of_${area}} support/device_main.cpp
                            LIBS chainrule_emulated_cuda Catch2::Catch2)
    if(area STREQUAL "device")
      set_tests_properties(cuda.device PROPERTIES ENVIRONMENT "${counting_environment}")
    else()
      set_tests_properties(cuda.${area} PROPERTIES ENVIRONMENT "${device_environment}")
    endif()
  else()
    add_test(NAME cuda.${area}
             COMMAND "${CMAKE_COMMAND}" -E echo "skipped: there was no GPU (/dev/nvidia0) when this "
                     "was configured, and CHAINRULE_TEST_ALL_CUDA is off")
    set_tests_properties(cuda.${area} PROPERTIES LABELS cuda SKIP_REGULAR_EXPRESSION "skipped: ")
  endif()
endforeach()
