# Proves that check.cmake rejects what it must reject: small pages, one sin each.
#
#   cmake -D WORK=<scratch folder> -D COMPILER=<path> -D FLAGS=<flags> -P self_test.cmake

cmake_minimum_required(VERSION 3.22)

# expect(<name> <"pass" or what the output must say> <text of the page>)
function(expect name wanted text)
  file(WRITE "${WORK}/${name}.md" "${text}")
  execute_process(COMMAND "${CMAKE_COMMAND}" -D "PAGE=${WORK}/${name}.md"
                          -D "WORK=${WORK}/${name}" -D "COMPILER=${COMPILER}" -D "FLAGS=${FLAGS}"
                          -P "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/check.cmake"
                  RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE err)
  string(APPEND out "${err}")
  string(REGEX REPLACE "[ \n]+" " " said "${out}")  # CMake wraps its messages
  string(FIND "${said}" "${wanted}" found)
  if(NOT "${ARGN}" STREQUAL "passes" AND result EQUAL 0 OR found EQUAL -1)
    message(FATAL_ERROR "${name}: expected \"${wanted}\", got (${result})\n${out}")
  endif()
endfunction()

set(declaration "```cpp\nstruct twice {\n  auto operator()(auto x) const { return 2 * x; }\n};\n```\n")
expect(nothing "0 blocks of C++ compile, 0 links" "# Title\n\n```sh\nls [;](nowhere)\n```\n" passes)
expect(good "3 blocks of C++ compile, 1 links"
  "# Title\n[a](good.md#top) `[b](nowhere)` [c](https://example.org)\n\n```cpp\nint main() { return 0; }\n```\n${declaration}```cpp fragment\nauto call = [](int i) { return i; };\nbe.map(twice{}, y.view(), y.view());\n```\n"
  passes)
expect(bad_program "does not compile" "```cpp\nint main() { return; }\n```\n")
expect(bad_declaration "bad_declaration.md:4:" "text\n\n```cpp\nint i = ;\n```\n")
expect(bad_fragment "bad_fragment.md:9:" "${declaration}\ntext\n```cpp fragment\nbe.nap(twice{}, y.view(), y.view());\n```\n")
expect(bad_include "does not compile" "```cpp\n#include <chainrule/no_such.hpp>\nint i;\n```\n")
expect(branch "cannot branch" "```cpp\nstruct f {\n  auto operator()(auto x) const { if (x > 0) return x; return 0 * x; }\n};\n```\n```cpp fragment\nbe.map(f{}, y.view(), y.view());\n```\n")
expect(no_end "line 2 has no end" "text\n```cpp\nint i;\n")
expect(other_mark "expected `cpp`, `cpp fragment` or" "```cpp framgent\nint i;\n```\n")
file(WRITE "${WORK}/source.hpp" "struct s {\n  int a[2];\n  int b;\n};\n")
expect(excerpt "1 blocks" "```cpp excerpt source.hpp\n  int a[2];\n  int b;\n```\n" passes)
expect(other_excerpt "does not stand in source.hpp" "```cpp excerpt source.hpp\n  int a[2];\n  int c;\n```\n")
expect(part_of_a_line "does not stand in source.hpp" "```cpp excerpt source.hpp\n  int a[\n```\n")
expect(no_source "there is no nowhere.hpp" "```cpp excerpt nowhere.hpp\nint a;\n```\n")
expect(dead_link "there is no nowhere.md" "[a](nowhere.md)\n")
