# What a compiler says of the library under other flags: the first error, or warning, is the
# sentence, and nothing is reported beside it.
#
#   cmake -D COMPILER=<path> -D FLAGS=<flags joined by |> -D INCLUDE=<folder> -D WORK=<folder>
#         -P check.cmake

cmake_minimum_required(VERSION 3.22)

set(ENV{LC_ALL} C)
string(REPLACE "|" ";" flags "${FLAGS}")

# expect(<name> <kinds of reports to count> <how many> <what the first must say> <flag>...)
function(expect name kind count wanted)
  set(file "${WORK}/${name}.cpp")
  file(WRITE "${file}" "#include \"chainrule/core/view.hpp\"\nint main() {}\n")
  execute_process(COMMAND "${COMPILER}" ${flags} ${ARGN} -Wall -Wextra -Wpedantic
                          "-I${INCLUDE}" -fsyntax-only "${file}"
                  RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE err)
  set(said "${out}${err}")
  string(REPLACE ";" "," no_list "${said}")
  string(REGEX MATCHALL "(${kind}): [^\n]*" reports "${no_list}")
  list(LENGTH reports found)
  list(JOIN reports "\n" text)
  if(NOT found EQUAL count OR (count GREATER 0 AND NOT text MATCHES "^(${kind}): [^\n]*${wanted}"))
    message("${said}")
    message(FATAL_ERROR "${name}: expected ${count} report(s), the first of '${wanted}', got "
                        "${found}, see above")
  endif()
endfunction()

# Behind the sentence, the file that is missing ends the compilation.
expect(cxx17 "error" 2 "chainrule needs C\\+\\+20: compile with -std=c\\+\\+20" -std=c++17)
expect(no_exceptions "error" 2
       "chainrule reports errors by exceptions: compile without -fno-exceptions"
       -std=c++20 -fno-exceptions)
set(fast_math "chainrule: -ffast-math .*makes functions less accurate and kernels blind to NaN")
foreach(flag IN ITEMS -ffast-math -Ofast -ffinite-math-only)
  expect(warned "error|warning" 1 "${fast_math}" -std=c++20 ${flag})
endforeach()
expect(allowed "error|warning" 0 "" -std=c++20 -ffast-math -DCHAINRULE_ALLOW_FAST_MATH)
expect(plain "error|warning" 0 "" -std=c++20)
