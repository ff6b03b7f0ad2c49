# One program, two levels of instruction sets: check.cmake says what is tested.

if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" OR NOT CMAKE_OBJDUMP)
  message(STATUS "mixed_flags: skipped, it needs x86-64 and objdump")
  return()
endif()
set(include
    "$<FILTER:$<TARGET_PROPERTY:chainrule_test_support,INTERFACE_INCLUDE_DIRECTORIES>,EXCLUDE,^/usr/include$>")
add_test(NAME mixed_flags
         COMMAND "${CMAKE_COMMAND}" -D "SOURCE=${CMAKE_CURRENT_LIST_DIR}"
                 -D "INCLUDE=$<$<BOOL:${include}>:-isystem$<JOIN:${include},|-isystem>>"
                 -D "WORK=${CMAKE_CURRENT_BINARY_DIR}/mixed_flags"
                 -D "COMPILER=${CMAKE_CXX_COMPILER}" -D "OBJDUMP=${CMAKE_OBJDUMP}"
                 -P "${CMAKE_CURRENT_LIST_DIR}/check.cmake")
set_tests_properties(mixed_flags PROPERTIES LABELS cpu TIMEOUT 300)
