# ONNX Runtime computes what networks compute, where Python has it; else the test is skipped.
# -DPython3_EXECUTABLE=... or an active virtual environment choose a Python.
find_package(Python3 COMPONENTS Interpreter QUIET)
if(Python3_FOUND)
  add_test(NAME io.onnx COMMAND "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_LIST_DIR}/onnx_check.py"
           "$<TARGET_FILE:test_io>")
  set_tests_properties(io.onnx PROPERTIES SKIP_RETURN_CODE 77)
else()
  add_test(NAME io.onnx COMMAND "${CMAKE_COMMAND}" -E echo "skipped: there is no Python 3")
  set_tests_properties(io.onnx PROPERTIES SKIP_REGULAR_EXPRESSION "skipped: ")
endif()

# Exported headers are C++11 without warnings, and compute what the networks compute.
add_test(NAME io.header_export COMMAND "${CMAKE_COMMAND}" -D "PROGRAM=$<TARGET_FILE:test_io>"
         -D "COMPILER=${CMAKE_CXX_COMPILER}" -D "WORK=${CMAKE_CURRENT_BINARY_DIR}/header_export"
         -P "${CMAKE_CURRENT_LIST_DIR}/header_export_check.cmake")
set_tests_properties(io.onnx io.header_export PROPERTIES LABELS io TIMEOUT 300)
