# Exported headers are C++11 without warnings, and compute what the networks compute.
add_test(NAME io.header_export COMMAND "${CMAKE_COMMAND}" -D "PROGRAM=$<TARGET_FILE:test_io>"
         -D "COMPILER=${CMAKE_CXX_COMPILER}" -D "WORK=${CMAKE_CURRENT_BINARY_DIR}/header_export"
         -P "${CMAKE_CURRENT_LIST_DIR}/header_export_check.cmake")
set_tests_properties(io.header_export PROPERTIES LABELS io TIMEOUT 300)
