# Each *.cpp here is a test compile_fail.<name>; check.cmake says how it passes.

# Never built: it carries the include folders and definitions of everything there is.
add_library(compile_fail_flags OBJECT EXCLUDE_FROM_ALL "${CMAKE_CURRENT_LIST_DIR}/flags.cc")
target_link_libraries(compile_fail_flags PRIVATE chainrule_test_support)

# Naming /usr/include breaks the compiler's own order of folders.
set(includes
    "$<FILTER:$<TARGET_PROPERTY:compile_fail_flags,INCLUDE_DIRECTORIES>,EXCLUDE,^/usr/include$>")
set(definitions "$<TARGET_PROPERTY:compile_fail_flags,COMPILE_DEFINITIONS>")
string(REGEX REPLACE " +" "|" flags "${CMAKE_CXX_FLAGS}")
string(JOIN "|" flags ${flags} "${CMAKE_CXX20_STANDARD_COMPILE_OPTION}"
  "$<$<BOOL:${includes}>:-isystem$<JOIN:${includes},|-isystem>>"
  "$<$<BOOL:${definitions}>:-D$<JOIN:${definitions},|-D>>")

file(GLOB compile_fail_files CONFIGURE_DEPENDS "${CMAKE_CURRENT_LIST_DIR}/*.cpp")
foreach(file IN LISTS compile_fail_files)
  get_filename_component(name "${file}" NAME_WE)
  add_test(NAME compile_fail.${name}
           COMMAND "${CMAKE_COMMAND}" -D "SOURCE=${file}" -D "COMPILER=${CMAKE_CXX_COMPILER}"
                   -D "FLAGS=${flags}" -P "${CMAKE_CURRENT_LIST_DIR}/check.cmake")
  set_tests_properties(compile_fail.${name} PROPERTIES LABELS compile_fail TIMEOUT 120)
endforeach()

add_test(NAME compile_fail.self_test
         COMMAND "${CMAKE_COMMAND}" -D "WORK=${CMAKE_CURRENT_BINARY_DIR}/compile_fail"
                 -D "COMPILER=${CMAKE_CXX_COMPILER}" -D "FLAGS=${flags}"
                 -P "${CMAKE_CURRENT_LIST_DIR}/self_test.cmake")
set_tests_properties(compile_fail.self_test PROPERTIES LABELS compile_fail TIMEOUT 60)
