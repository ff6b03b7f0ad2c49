# The real TensorBoard reads the files of tensorboard_log, where Python has it; else the test is
# skipped. -DPython3_EXECUTABLE=... or an active virtual environment choose a Python.
find_package(Python3 COMPONENTS Interpreter QUIET)
if(Python3_FOUND)
  add_test(NAME train.tensorboard COMMAND "${Python3_EXECUTABLE}"
           "${CMAKE_CURRENT_LIST_DIR}/tensorboard_read.py" "$<TARGET_FILE:test_train>")
  set_tests_properties(train.tensorboard PROPERTIES SKIP_RETURN_CODE 77)
else()
  add_test(NAME train.tensorboard COMMAND "${CMAKE_COMMAND}" -E echo "skipped: there is no Python 3")
  set_tests_properties(train.tensorboard PROPERTIES SKIP_REGULAR_EXPRESSION "skipped: ")
endif()
set_tests_properties(train.tensorboard PROPERTIES LABELS train TIMEOUT 120)
