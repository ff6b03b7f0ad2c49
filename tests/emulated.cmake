# The suites over CUDA on the emulated device (emulated/emulated_cuda.hpp), which needs the toolkit's
# headers and cudart but no GPU: emulated.<area>, and emulated.<area>.reverse with threads and blocks
# from the last to the first. The programs are those of cuda.<area>.

if(NOT TARGET chainrule::cuda)
  chainrule_skip_suites(emulated "${no_toolkit}" device)
  return()
endif()

# The stacks that the device switches between are known to AddressSanitizer, not to ThreadSanitizer.
string(TOUPPER "${CMAKE_BUILD_TYPE}" build_type)
if("${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${build_type}}" MATCHES "-fsanitize=thread")
  chainrule_skip_suites(emulated "the emulated device does not run under ThreadSanitizer" device)
  return()
endif()

# emulated_test(<name> <area> [<setting>...]): both orders of a suite, in an environment. The gradients
# take a minute, and the reverse order of what they run is that of the layers and of conformance.
function(emulated_test name area)
  foreach(order IN ITEMS forward reverse)
    set(test emulated.${name})
    set(when)
    if(order STREQUAL "reverse")
      string(APPEND test .reverse)
      if(name STREQUAL "gradients")
        set(when CONFIGURATIONS long)
      endif()
    endif()
    add_test(NAME ${test} ${when} COMMAND test_cuda_${area})
    set_tests_properties(${test} PROPERTIES LABELS emulated TIMEOUT 600
      ENVIRONMENT "${ARGN};CHAINRULE_EMULATED_CUDA=1;CHAINRULE_EMULATED_ORDER=${order}")
  endforeach()
endfunction()

foreach(area IN LISTS backend_areas)
  emulated_test(${area} ${area} ${device_environment} CHAINRULE_TEST_GRADIENTS=double)
endforeach()
emulated_test(device device ${counting_environment})
# Products by the kernel's text; else they are cuBLASLt's.
emulated_test(conformance_of_texts conformance ${device_environment} CHAINRULE_CUDA_GEMM=text)

# Faults that a suite has to find: each of these runs ends with failed test cases.
# emulated_fault(<name> <fault> <area> <cases> [<setting>...])
function(emulated_fault name fault area cases)
  add_test(NAME emulated.finds_${name} COMMAND test_cuda_${area} "${cases}")
  list(APPEND ARGN ${counting_environment} CHAINRULE_EMULATED_CUDA=1
       CHAINRULE_EMULATED_FAULT=${fault})
  set_tests_properties(emulated.finds_${name} PROPERTIES LABELS emulated TIMEOUT 300
                       PASS_REGULAR_EXPRESSION "test cases:.* failed" ENVIRONMENT "${ARGN}")
endfunction()
set(texts CHAINRULE_CUDA_GEMM=text)
emulated_fault(missing_barrier_1 barrier1 conformance "[reduce]")
emulated_fault(missing_barrier_2 barrier2 conformance "[reduce]")
emulated_fault(missing_barrier_3 barrier3 conformance "[rows]")
emulated_fault(missing_barrier_of_products barrier1 conformance "gemm of integers*" ${texts})
emulated_fault(one_tile_of_products one_tile conformance "gemm of integers*" ${texts})
emulated_fault(missing_barrier_of_convolutions barrier1 conformance "convolutions follow*")
emulated_fault(one_tile_of_convolutions one_tile conformance "convolutions follow*")
emulated_fault(transpose_of_library transpose conformance "gemm carries NaN*")
emulated_fault(transpose_of_text transpose conformance "gemm takes a matrix and its*" ${texts})
emulated_fault(missing_wait_of_copy wait1 device "[streamed]")
emulated_fault(missing_wait_for_copy wait2 device "[streamed]")
emulated_fault(missing_wait_of_host synchronize conformance "[copy]")
# The last of them shows only where thread 0 of a block, which arrives for all, runs first.
emulated_fault(missing_barrier_of_grid grid_barrier device "a persistent kernel computes*")
emulated_fault(missing_barrier_of_groups group_barrier device "blocks of a persistent kernel share*")
emulated_fault(missing_barrier_of_steps step_barrier device "a persistent kernel computes*")
emulated_fault(missing_wait_for_grid grid_leave device "a persistent kernel computes*")
emulated_fault(missing_wait_before_grid grid_arrival device "a persistent kernel computes*")

# What CUDA forbids: the device says so.
add_executable(test_emulated_misuse emulated/misuse.cpp)
target_link_libraries(test_emulated_misuse PRIVATE chainrule_emulated_cuda)
chainrule_own_target(test_emulated_misuse)
function(emulated_misuse name sentence)
  add_test(NAME emulated.refuses_${name} COMMAND test_emulated_misuse ${name})
  set_tests_properties(emulated.refuses_${name} PROPERTIES LABELS emulated TIMEOUT 60
                       PASS_REGULAR_EXPRESSION "${sentence}")
endfunction()
add_test(NAME emulated.runs_late COMMAND test_emulated_misuse none)
set_tests_properties(emulated.runs_late PROPERTIES LABELS emulated TIMEOUT 60
                     PASS_REGULAR_EXPRESSION "the kernel ran late")
emulated_misuse(divergent_barrier "waits at line 2, thread 16 has ended")
emulated_misuse(different_barriers "waits at line 4, thread 16 waits at line 6")
emulated_misuse(waiting_block "a block of a kernel waits for another one")
emulated_misuse(grid_without_end "threads of a grid of 2 blocks of 32 wait for others")
emulated_misuse(divergent_grid "threads of a grid of 2 blocks of 32 wait for others")
emulated_misuse(large_cooperative_grid "5 blocks are to wait for each other; the device runs 4")
emulated_misuse(large_block "a block of 32 x 64 x 1 threads")
emulated_misuse(launch_bounds "a block of 32 threads, of which the kernel may have 16")
emulated_misuse(large_grid "a grid of 1 x 65536 x 1 blocks")
emulated_misuse(empty_grid "a grid of 0 x 1 x 1 blocks")
emulated_misuse(shared_memory "has 49156 bytes of shared memory")
emulated_misuse(host_memory "is no memory of a device's")
emulated_misuse(released_memory "is no memory of a device's")
emulated_misuse(written_beside "wrote byte 1024 of memory of 1024 bytes")
emulated_misuse(unloaded_module "whose module was unloaded")
emulated_misuse(released_staging "a copy of that memory is still queued")
emulated_misuse(other_device "the stream is one of device 0, but device 1")
emulated_misuse(allocation_in_capture "cudaMalloc: forbidden while the thread captures")
emulated_misuse(wait_in_capture "cudaStreamSynchronize: the stream is being captured")
emulated_misuse(copy_in_capture "a copy of the host's memory in a capture")
emulated_misuse(library_in_capture "cublasLtCreate: may fail while a stream is captured")
