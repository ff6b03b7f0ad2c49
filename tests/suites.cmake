# The areas whose tests are written over support/backend_list.hpp, once more on another backend.

set(backend_areas autodiff conformance gradients memory ops layers losses optim network seeds
    train)
# What is about the CPU alone, or about no backend at all.
set(files_of_one_backend
    autodiff/vocabulary_test.cpp optim/schedule_test.cpp
    network/allocation_test.cpp network/memory_test.cpp network/row_test.cpp
    network/threads_test.cpp seeds/tashfeen_test.cpp
    train/allocation_test.cpp train/confusion_matrix_test.cpp train/interrupt_test.cpp
    train/micro_batches_test.cpp train/progress_test.cpp train/report_test.cpp
    train/roc_auc_test.cpp train/search_test.cpp train/small_sets_test.cpp
    train/static_trainer_test.cpp train/text_logs_test.cpp train/threads_test.cpp)

# chainrule_backend_suite(<backend> <area> FILES <file>... LIBS <target>...)
# is the test <backend>.<area>, of an executable test_<backend>_<area> that is compiled with
# CHAINRULE_TEST_<BACKEND>. It may return 77 and say why it is skipped.
function(chainrule_backend_suite backend area)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "FILES;LIBS")
  string(TOUPPER "${backend}" macro)
  set(target test_${backend}_${area})
  set(headers test_${backend}_headers)
  list(REMOVE_ITEM arg_FILES ${files_of_one_backend})
  add_executable(${target} ${arg_FILES})
  chainrule_compile_in_batches(${target})
  set(new_targets ${target})
  if(NOT TARGET ${headers})
    add_library(${headers} OBJECT support/precompiled.cpp)
    list(APPEND new_targets ${headers})
  endif()
  foreach(new IN LISTS new_targets)
    target_compile_definitions(${new} PRIVATE CHAINRULE_TEST_${macro}
                               "CHAINRULE_TESTS_FOLDER=\"${CMAKE_CURRENT_SOURCE_DIR}\"")
    target_include_directories(${new} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
    target_link_libraries(${new} PRIVATE ${arg_LIBS})
    chainrule_own_target(${new})
    # What counts here is the time to compile: the work is the device's, or little (but for
    # trainings), and the CPU's own suites are optimised.
    target_compile_options(${new} PRIVATE $<IF:$<STREQUAL:${new},test_minimal_train>,-O1,-O0>)
  endforeach()
  # The headers that most files include are parsed once for each backend, with one set of flags.
  target_precompile_headers(${headers} PRIVATE support/precompiled.hpp)
  # Its macro makes Catch2's header declare more.
  set_source_files_properties(support/device_main.cpp PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  if(NOT target STREQUAL "test_minimal_train")
    target_precompile_headers(${target} REUSE_FROM ${headers})
  endif()
  add_test(NAME ${backend}.${area} COMMAND ${target})
  set_tests_properties(${backend}.${area} PROPERTIES LABELS ${backend} TIMEOUT 600
                       SKIP_RETURN_CODE 77)
endfunction()

# What a driver leaks when the program ends is not ours. Built kernels are kept for the next run of
# the tests, and not among the user's own. Every buffer begins as NaN and lies between guard zones.
set(device_environment ASAN_OPTIONS=detect_leaks=0 CHAINRULE_CHECK_MEMORY=1
    "CHAINRULE_CACHE_DIR=${PROJECT_BINARY_DIR}/programs")
# But <api>.device counts copies, and lets some fail: guard zones are looked at by copies.
set(counting_environment ${device_environment})
list(REMOVE_ITEM counting_environment CHAINRULE_CHECK_MEMORY=1)

# chainrule_device_suites(<api>): all areas over chainrule::<api>, and <api>.device, which is made
# of the files in device/ and <api>/. Without a device they are listed as skipped.
function(chainrule_device_suites api)
  set(files_of_device ${files_of_device} ${files_of_${api}})
  foreach(area IN LISTS backend_areas ITEMS device)
    chainrule_backend_suite(${api} ${area} FILES ${files_of_${area}} support/device_main.cpp
                            LIBS chainrule::${api} Catch2::Catch2)
    set_tests_properties(${api}.${area} PROPERTIES ENVIRONMENT "${device_environment}")
  endforeach()
  set_tests_properties(${api}.device PROPERTIES ENVIRONMENT "${counting_environment}")
endfunction()

# chainrule_skip_suites(<backend> <sentence> [<area>...]): the same tests where they cannot be
# built: they say why and are listed as skipped.
function(chainrule_skip_suites backend sentence)
  message(STATUS "tests: ${sentence}, so ${backend}.* are skipped")
  foreach(area IN LISTS backend_areas ARGN)
    add_test(NAME ${backend}.${area}
             COMMAND "${CMAKE_COMMAND}" -E echo "skipped: ${sentence} when this was configured")
    set_tests_properties(${backend}.${area} PROPERTIES LABELS ${backend}
                         SKIP_REGULAR_EXPRESSION "skipped: ")
  endforeach()
endfunction()
