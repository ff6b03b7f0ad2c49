# Writes the library as one header, for programs that want a single file beside their sources:
#
#   cmake -D OUTPUT=chainrule.hpp -P cmake/amalgamate.cmake
#
# It has the umbrella and all that is included by name, but for the OpenCL and CUDA backends and ranks
# over MPI, which need headers of their own.
cmake_minimum_required(VERSION 3.22)

get_filename_component(root "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
set(include "${root}/include")
file(STRINGS "${include}/chainrule/version.hpp" version REGEX "^#define CHAINRULE_VERSION \"")
string(REGEX MATCH "[0-9.]+" version "${version}")
file(READ "${root}/LICENSE" licence)
file(WRITE "${OUTPUT}" "/* chainrule ${version}, one header. Made by cmake/amalgamate.cmake.\n\n${licence}*/\n")

set_property(GLOBAL PROPERTY written)

# Appends a header, once, with the headers that it includes in the places of its include directives.
function(append_header name)
  get_property(written GLOBAL PROPERTY written)
  if(name IN_LIST written)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY written "${name}")
  file(READ "${include}/${name}" rest)
  set(directive "\n#include \"chainrule/")
  string(FIND "${rest}" "${directive}" at)
  while(NOT at EQUAL -1)
    string(SUBSTRING "${rest}" 0 ${at} before)
    math(EXPR start "${at} + 11")
    string(SUBSTRING "${rest}" ${start} -1 rest)
    string(FIND "${rest}" "\"" length)
    string(SUBSTRING "${rest}" 0 ${length} included)
    string(FIND "${rest}" "\n" end)
    string(SUBSTRING "${rest}" ${end} -1 rest)
    file(APPEND "${OUTPUT}" "${before}\n")
    append_header("${included}")
    string(FIND "${rest}" "${directive}" at)
  endwhile()
  file(APPEND "${OUTPUT}" "${rest}")
endfunction()

append_header(chainrule/chainrule.hpp)
file(GLOB_RECURSE headers RELATIVE "${include}" "${include}/*.hpp")
list(FILTER headers EXCLUDE REGEX "^chainrule/(backend/(cuda|opencl|device)|train/(mpi|nccl))")
list(SORT headers)
foreach(header IN LISTS headers)
  append_header("${header}")
endforeach()
