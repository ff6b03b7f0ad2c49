# Proves that check.cmake rejects what it must reject.
#
#   cmake -D WORK=<scratch folder> -D COMPILER=<path> -D FLAGS=<flags> -P self_test.cmake

cmake_minimum_required(VERSION 3.22)
include("${CMAKE_CURRENT_LIST_DIR}/../support/complaint.cmake")

# expect(<name> <"nothing" or what the complaint must say> <text of the test file>)
function(expect name wanted text)
  file(WRITE "${WORK}/${name}.cpp" "${text}")
  execute_process(COMMAND "${CMAKE_COMMAND}" -D "SOURCE=${WORK}/${name}.cpp"
                          -D "COMPILER=${COMPILER}" -D "FLAGS=${FLAGS}"
                          -P "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/check.cmake"
                  RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE err)
  expect_complaint("${name}" "${wanted}" "${result}" "${out}${err}")
endfunction()

set(sin "#ifndef CHAINRULE_CONTROL\nstatic_assert(sizeof(int) == 99, \"one clear sentence\");\n#endif\n")
expect(good nothing "// expect: one [a-z]+ sentence\n${sin}")
expect(no_expectation "the first line must be" "${sin}")
expect(other_message "expected a message that matches" "// expect: another sentence\n${sin}")
expect(one_error nothing "// expect: one\n// errors: 1\n${sin}")
expect(two_errors "expected 1 error(s), found 2"
       "// expect: one\n// errors: 1\n${sin}#ifndef CHAINRULE_CONTROL\nint x = y;\n#endif\n")
expect(compiles "it must not compile, but it does" "// expect: anything\nint x;\n")
expect(bad_control "with CHAINRULE_CONTROL it must compile" "// expect: .\nint x = ;\n")
