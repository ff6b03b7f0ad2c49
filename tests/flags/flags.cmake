# Other flags than ours: what is said of those that the library cannot do with, and what still
# works under -ffast-math (which is all that test_flags is about).

target_compile_options(test_flags PRIVATE -O1 -ffast-math)
target_compile_definitions(test_flags PRIVATE CHAINRULE_ALLOW_FAST_MATH)

string(REGEX REPLACE " +" "|" flags "${CMAKE_CXX_FLAGS}")
add_test(NAME flags.compiler
         COMMAND "${CMAKE_COMMAND}" -D "COMPILER=${CMAKE_CXX_COMPILER}" -D "FLAGS=${flags}"
                 -D "INCLUDE=${PROJECT_SOURCE_DIR}/include"
                 -D "WORK=${CMAKE_CURRENT_BINARY_DIR}/flags"
                 -P "${CMAKE_CURRENT_LIST_DIR}/check.cmake")
set_tests_properties(flags.compiler PROPERTIES LABELS flags TIMEOUT 120)
