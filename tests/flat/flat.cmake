# Static networks compiled by clang: check.cmake says what is tested.

find_program(CHAINRULE_CLANG NAMES clang++ clang++-14 clang++-15 clang++-16)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND CMAKE_OBJDUMP AND CHAINRULE_CLANG)
  set(include
      "$<FILTER:$<TARGET_PROPERTY:chainrule_test_support,INTERFACE_INCLUDE_DIRECTORIES>,EXCLUDE,^/usr/include$>")
  add_test(NAME flat
           COMMAND "${CMAKE_COMMAND}" -D "SOURCE=${CMAKE_CURRENT_LIST_DIR}"
                   -D "INCLUDE=$<$<BOOL:${include}>:-isystem$<JOIN:${include},|-isystem>>"
                   -D "WORK=${CMAKE_CURRENT_BINARY_DIR}/flat" -D "COMPILER=${CHAINRULE_CLANG}"
                   -D "OBJDUMP=${CMAKE_OBJDUMP}" -P "${CMAKE_CURRENT_LIST_DIR}/check.cmake")
else()
  add_test(NAME flat COMMAND "${CMAKE_COMMAND}" -E echo
           "skipped: it needs x86-64, clang++ and objdump")
  set_tests_properties(flat PROPERTIES SKIP_REGULAR_EXPRESSION "skipped: ")
endif()
set_tests_properties(flat PROPERTIES LABELS network TIMEOUT 300)

# Functions of users compiled by g++: cold.cmake says what is tested.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_NM)
  set(include
      "$<FILTER:$<TARGET_PROPERTY:chainrule_test_support,INTERFACE_INCLUDE_DIRECTORIES>,EXCLUDE,^/usr/include$>")
  add_test(NAME flat.cold
           COMMAND "${CMAKE_COMMAND}" -D "SOURCE=${CMAKE_CURRENT_LIST_DIR}"
                   -D "INCLUDE=$<$<BOOL:${include}>:-isystem$<JOIN:${include},|-isystem>>"
                   -D "WORK=${CMAKE_CURRENT_BINARY_DIR}/flat" -D "COMPILER=${CMAKE_CXX_COMPILER}"
                   -D "NM=${CMAKE_NM}" -P "${CMAKE_CURRENT_LIST_DIR}/cold.cmake")
else()
  add_test(NAME flat.cold COMMAND "${CMAKE_COMMAND}" -E echo "skipped: it needs g++ and nm")
  set_tests_properties(flat.cold PROPERTIES SKIP_REGULAR_EXPRESSION "skipped: ")
endif()
set_tests_properties(flat.cold PROPERTIES LABELS network TIMEOUT 300)
