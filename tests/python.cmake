# Tests that need Python with packages: without Python, or where the script ends with 77 because it
# has not the packages, they are skipped. -DPython3_EXECUTABLE=... or an active virtual environment
# choose a Python.
find_package(Python3 COMPONENTS Interpreter QUIET)

# chainrule_python_test(<name> <label> <script> <argument>...)
function(chainrule_python_test name label script)
  if(Python3_FOUND)
    add_test(NAME ${name} COMMAND "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/${script}" ${ARGN})
    set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77)
  else()
    add_test(NAME ${name} COMMAND "${CMAKE_COMMAND}" -E echo "skipped: there is no Python 3")
    set_tests_properties(${name} PROPERTIES SKIP_REGULAR_EXPRESSION "skipped: ")
  endif()
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 120)
endfunction()

# PyTorch loads what save_weights wrote for it.
chainrule_python_test(io.pytorch io io/pytorch_weights.py read "$<TARGET_FILE:test_io>")
# The real TensorBoard reads the files of tensorboard_log.
chainrule_python_test(train.tensorboard train train/tensorboard_read.py "$<TARGET_FILE:test_train>")
# ONNX Runtime computes what networks compute.
chainrule_python_test(io.onnx io io/onnx_check.py "$<TARGET_FILE:test_io>")
set_tests_properties(io.onnx PROPERTIES TIMEOUT 300)
