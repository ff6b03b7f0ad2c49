# compiled: a static library of what most programs instantiate (include/chainrule/compiled.hpp). It is
# built in the project that links it, with its compiler and flags, here as well as by find_package.
add_library(chainrule_compiled STATIC EXCLUDE_FROM_ALL "${CMAKE_CURRENT_LIST_DIR}/compiled.cpp")
add_library(chainrule::compiled ALIAS chainrule_compiled)
set_target_properties(chainrule_compiled PROPERTIES POSITION_INDEPENDENT_CODE ON)
target_link_libraries(chainrule_compiled PUBLIC chainrule::chainrule)
target_compile_definitions(chainrule_compiled INTERFACE CHAINRULE_COMPILED)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|i.86")
  # Whatever the project's flags: files that are compiled for more are so as a whole
  # (backend/cpu/flags.hpp). Kernels for AVX2 and AVX-512 are chosen at run time.
  target_compile_options(chainrule_compiled PRIVATE -mno-sse3 -mno-bmi2)
endif()
