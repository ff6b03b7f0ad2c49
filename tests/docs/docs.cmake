# Every page of documentation is a test docs.<page>: its code compiles (check.cmake says how).

set(docs_includes
    "$<FILTER:$<TARGET_PROPERTY:chainrule_test_support,INTERFACE_INCLUDE_DIRECTORIES>,EXCLUDE,^/usr/include$>")
string(REGEX REPLACE " +" "|" docs_flags "${CMAKE_CXX_FLAGS}")
string(JOIN "|" docs_flags ${docs_flags} "${CMAKE_CXX20_STANDARD_COMPILE_OPTION}"
  "$<$<BOOL:${docs_includes}>:-isystem$<JOIN:${docs_includes},|-isystem>>")

file(GLOB pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/*.md" "${PROJECT_SOURCE_DIR}/docs/*.md")
foreach(page IN LISTS pages)
  get_filename_component(name "${page}" NAME_WE)
  add_test(NAME docs.${name}
           COMMAND "${CMAKE_COMMAND}" -D "PAGE=${page}" -D "WORK=${CMAKE_CURRENT_BINARY_DIR}/docs/${name}"
                   -D "COMPILER=${CMAKE_CXX_COMPILER}" -D "FLAGS=${docs_flags}"
                   -P "${CMAKE_CURRENT_LIST_DIR}/check.cmake")
  set_tests_properties(docs.${name} PROPERTIES LABELS docs TIMEOUT 300)
endforeach()

add_test(NAME docs.self_test
         COMMAND "${CMAKE_COMMAND}" -D "WORK=${CMAKE_CURRENT_BINARY_DIR}/docs/self_test"
                 -D "COMPILER=${CMAKE_CXX_COMPILER}" -D "FLAGS=${docs_flags}"
                 -P "${CMAKE_CURRENT_LIST_DIR}/self_test.cmake")
set_tests_properties(docs.self_test PROPERTIES LABELS docs TIMEOUT 300)

# The bounds are some percent above what g++ 12 makes of the program for x86-64; others differ.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION MATCHES "^12[.]" AND
   CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_test(NAME docs.size
           COMMAND "${CMAKE_COMMAND}" -D "PAGE=${PROJECT_SOURCE_DIR}/README.md"
                   -D "WORK=${CMAKE_CURRENT_BINARY_DIR}/docs/size" -D "COMPILER=${CMAKE_CXX_COMPILER}"
                   -D "FLAGS=${CMAKE_CXX20_STANDARD_COMPILE_OPTION}|-isystem$<JOIN:${docs_includes},|-isystem>"
                   -D "NM=${CMAKE_NM}" -D FUNCTIONS=3700 -D BYTES=245000
                   -P "${CMAKE_CURRENT_LIST_DIR}/size.cmake")
else()
  add_test(NAME docs.size COMMAND "${CMAKE_COMMAND}" -E echo "skipped: the bounds are those of g++ 12")
  set_tests_properties(docs.size PROPERTIES SKIP_REGULAR_EXPRESSION "skipped: ")
endif()
set_tests_properties(docs.size PROPERTIES LABELS docs TIMEOUT 300)

# The reference: every public name is documented.
find_program(doxygen_program doxygen)
if(doxygen_program)
  add_test(NAME docs.reference CONFIGURATIONS long
           COMMAND sh "${PROJECT_SOURCE_DIR}/docs/build.sh" "${CMAKE_CURRENT_BINARY_DIR}/docs/reference")
else()
  add_test(NAME docs.reference CONFIGURATIONS long
           COMMAND "${CMAKE_COMMAND}" -E echo "skipped: doxygen was not found")
  set_tests_properties(docs.reference PROPERTIES SKIP_REGULAR_EXPRESSION "skipped: ")
endif()
set_tests_properties(docs.reference PROPERTIES LABELS docs TIMEOUT 300)
