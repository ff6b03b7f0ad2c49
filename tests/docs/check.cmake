# One page of documentation: every block of C++ in it compiles, every link to a file leads somewhere.
#
#   cmake -D PAGE=<file.md> -D WORK=<scratch folder> -D COMPILER=<path>
#         -D FLAGS=<flags joined by |> -P check.cmake
#
# How a block of code is marked says how it is compiled:
#
#   ```cpp            with `int main` in it: a whole program, compiled as it stands;
#                     without: declarations (a struct, a function)
#   ```cpp fragment   statements: the body of a function
#   ```cpp excerpt ../tests/support/minimal_backend.hpp
#                     a piece of that file, word for word; the file's own tests compile it
#
# Declarations and fragments of a page are one source file, in the order of the page and behind
# preamble.hpp, so that a fragment can use what the page declared above it. The compiler's messages
# name the lines of the page.

cmake_minimum_required(VERSION 3.22)

set(ENV{LC_ALL} C)
string(REPLACE "|" ";" flags "${FLAGS}")
get_filename_component(page "${PAGE}" NAME)
get_filename_component(folder "${PAGE}" DIRECTORY)
file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")

# compile(<file> <flag>...)
function(compile file)
  execute_process(COMMAND "${COMPILER}" ${flags} -Wall -Wextra -Werror ${ARGN} -fsyntax-only "${file}"
                  RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(NOT result EQUAL 0)
    message("${out}${err}")
    message(FATAL_ERROR "${page}: the code of ${file} does not compile, see above")
  endif()
endfunction()

# --- take the page apart -----------------------------------------------------------------------
# By position in the text and never as a list: what looks like a list to CMake is C++ here.
file(READ "${PAGE}" rest)
set(rest "\n${rest}")
set(line 0)  # of the page, where `rest` begins
set(prose "")
set(includes "")
set(code "")
set(blocks 0)
set(programs)

# Adds the line breaks of `text` to `line`.
macro(count_lines text)
  string(REGEX REPLACE "[^\n]" "" breaks "${${text}}")
  string(LENGTH "${breaks}" breaks)
  math(EXPR line "${line} + ${breaks}")
endmacro()

while(TRUE)
  string(FIND "${rest}" "\n```" fence)
  if(fence EQUAL -1)
    string(APPEND prose "${rest}")
    break()
  endif()
  string(SUBSTRING "${rest}" 0 ${fence} before)
  string(APPEND prose "${before}")
  count_lines(before)
  math(EXPR fence "${fence} + 4")
  string(SUBSTRING "${rest}" ${fence} -1 rest)
  math(EXPR line "${line} + 1")
  string(FIND "${rest}" "\n" end)
  if(end EQUAL -1)
    message(FATAL_ERROR "${page}: the block of code in line ${line} has no end")
  endif()
  string(SUBSTRING "${rest}" 0 ${end} mark)
  string(SUBSTRING "${rest}" ${end} -1 rest)
  string(FIND "${rest}" "\n```" end)
  if(end EQUAL -1)
    message(FATAL_ERROR "${page}: the block of code in line ${line} has no end")
  endif()
  string(SUBSTRING "${rest}" 0 ${end} body)
  math(EXPR first_line "${line} + 1")
  count_lines(body)
  math(EXPR line "${line} + 1")
  math(EXPR end "${end} + 4")
  string(SUBSTRING "${rest}" ${end} -1 rest)

  string(STRIP "${mark}" mark)
  string(SUBSTRING "${body}" 1 -1 body)
  set(place "#line ${first_line} \"${page}\"")
  math(EXPR blocks "${blocks} + 1")
  if(mark STREQUAL "cpp" AND body MATCHES "int main\\(")
    set(file "${WORK}/program_${first_line}.cpp")
    file(WRITE "${file}" "${place}\n${body}\n")
    list(APPEND programs "${file}")
  elseif(mark STREQUAL "cpp" OR mark STREQUAL "cpp fragment")
    # Inside a namespace nothing can be included.
    string(REGEX MATCHALL "#include [^\n]*" wanted "${body}")
    string(REGEX REPLACE "#include [^\n]*" "" body "${body}")
    foreach(include IN LISTS wanted)
      string(APPEND includes "${include}\n")
    endforeach()
    if(mark STREQUAL "cpp fragment")
      string(APPEND code "void fragment_${first_line}() {\n${place}\n${body}\n}\n")
    else()
      string(APPEND code "${place}\n${body}\n")
    endif()
  elseif(mark MATCHES "^cpp excerpt (.+)$")
    set(source "${CMAKE_MATCH_1}")
    if(NOT EXISTS "${folder}/${source}")
      message(FATAL_ERROR "${page}: there is no ${source}, of which line ${first_line} has an excerpt")
    endif()
    file(READ "${folder}/${source}" whole)
    string(FIND "${whole}" "${body}\n" found)
    if(found EQUAL -1)
      message(FATAL_ERROR "${page}: the excerpt in line ${first_line} does not stand in ${source} "
                          "like that")
    endif()
  elseif(mark MATCHES "^(cpp|c\\+\\+|C)")
    message(FATAL_ERROR "${page}: the block of code in line ${line} is marked `${mark}`, "
                        "expected `cpp`, `cpp fragment` or `cpp excerpt <file>`")
  else()
    math(EXPR blocks "${blocks} - 1")
  endif()
endwhile()

# --- compile it --------------------------------------------------------------------------------
foreach(file IN LISTS programs)
  compile("${file}")
endforeach()
if(NOT code STREQUAL "")
  set(file "${WORK}/page.cpp")
  file(WRITE "${file}" "#include \"${CMAKE_CURRENT_LIST_DIR}/preamble.hpp\"\n${includes}"
                       "namespace page {\n${code}}\n")
  compile("${file}" -Wno-unused)  # a fragment shows how to get something, not what to do with it
endif()

# --- follow the links --------------------------------------------------------------------------
string(REGEX REPLACE "`[^`\n]*`" "" prose "${prose}")
string(REPLACE "](" "\nlink: " prose "${prose}")
string(REGEX MATCHALL "\nlink: [^)\n]*" links "${prose}")
set(followed 0)
foreach(link IN LISTS links)
  string(REGEX REPLACE "^\nlink: ([^#]*).*$" "\\1" link "${link}")
  if(link STREQUAL "" OR link MATCHES "^[a-z]+:")
    continue()  # within the page, or out of the repository
  endif()
  if(NOT EXISTS "${folder}/${link}")
    message(FATAL_ERROR "${page}: there is no ${link}, where a link leads to")
  endif()
  math(EXPR followed "${followed} + 1")
endforeach()
message(STATUS "${page}: ${blocks} blocks of C++ compile, ${followed} links lead somewhere")
