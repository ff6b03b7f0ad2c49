# Every header compiles alone, and twice in one file (its guard works); all of these files linked
# together show functions that lack `inline`. Not optimised, for only the front end matters.

file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}/include"
     "${PROJECT_SOURCE_DIR}/include/chainrule/*.hpp")

if(NOT TARGET chainrule::opencl)
  message(STATUS "header check: skipped the headers of the OpenCL backend, OpenCL was not found")
  list(FILTER headers EXCLUDE REGEX "backend/opencl")
endif()
if(NOT TARGET chainrule::cuda)
  message(STATUS "header check: skipped the headers of the CUDA backend, CUDA was not found")
  list(FILTER headers EXCLUDE REGEX "backend/cuda")
endif()
if(NOT TARGET chainrule::mpi)
  message(STATUS "header check: skipped train/mpi.hpp, MPI was not found")
  list(FILTER headers EXCLUDE REGEX "train/mpi")
endif()

set(folder "${CMAKE_CURRENT_BINARY_DIR}/headers")
file(CONFIGURE OUTPUT "${folder}/main.cpp" CONTENT "int main() {}\n")
set(files "${folder}/main.cpp")
foreach(header IN LISTS headers)
  string(REGEX REPLACE "\\.hpp$" ".cpp" file "${folder}/${header}")
  file(CONFIGURE OUTPUT "${file}" CONTENT "#include \"${header}\"\n#include \"${header}\"\n")
  list(APPEND files "${file}")
endforeach()

add_executable(header_check ${files})
target_link_libraries(header_check PRIVATE chainrule::chainrule)
foreach(component IN ITEMS zlib images opencl cuda mpi)
  if(TARGET chainrule::${component})
    target_link_libraries(header_check PRIVATE chainrule::${component})
  endif()
endforeach()
chainrule_own_target(header_check)
target_compile_options(header_check PRIVATE -O0 -g0)
