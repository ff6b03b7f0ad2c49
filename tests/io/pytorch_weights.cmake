# PyTorch loads what save_weights wrote for it, where Python has it; else the test is skipped.
find_package(Python3 COMPONENTS Interpreter QUIET)
if(Python3_FOUND)
  add_test(NAME io.pytorch COMMAND "${Python3_EXECUTABLE}"
           "${CMAKE_CURRENT_LIST_DIR}/pytorch_weights.py" read "$<TARGET_FILE:test_io>")
  set_tests_properties(io.pytorch PROPERTIES SKIP_RETURN_CODE 77)
else()
  add_test(NAME io.pytorch COMMAND "${CMAKE_COMMAND}" -E echo "skipped: there is no Python 3")
  set_tests_properties(io.pytorch PROPERTIES SKIP_REGULAR_EXPRESSION "skipped: ")
endif()
set_tests_properties(io.pytorch PROPERTIES LABELS io TIMEOUT 120)
