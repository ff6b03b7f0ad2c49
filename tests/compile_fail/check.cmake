# One compile-fail test: the file must not compile and the compiler must say what its first line
# `// expect: <regular expression>` demands (CMake's dialect); with CHAINRULE_CONTROL defined the
# same file must compile, so that it fails for no other reason. A second line `// errors: <number>`
# says how many errors there are: a sentence of ours is lost behind hundreds of lines.
#
#   cmake -D SOURCE=<file> -D COMPILER=<path> -D FLAGS=<flags joined by |> -P check.cmake

cmake_minimum_required(VERSION 3.22)

set(ENV{LC_ALL} C)  # plain quotes in the messages
string(REPLACE "|" ";" flags "${FLAGS}")

file(STRINGS "${SOURCE}" first_lines LIMIT_COUNT 2)
list(GET first_lines 0 first_line)
if(NOT first_line MATCHES "^// expect: (.+)$")
  message(FATAL_ERROR "${SOURCE}: the first line must be `// expect: <regular expression>`")
endif()
set(expected "${CMAKE_MATCH_1}")

execute_process(COMMAND "${COMPILER}" ${flags} -fsyntax-only -DCHAINRULE_CONTROL "${SOURCE}"
                RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE err)
if(NOT result EQUAL 0)
  message("${out}${err}")
  message(FATAL_ERROR "${SOURCE}: with CHAINRULE_CONTROL it must compile, but see above")
endif()

execute_process(COMMAND "${COMPILER}" ${flags} -fsyntax-only "${SOURCE}"
                RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE err)
set(said "${out}${err}")
if(result EQUAL 0)
  message(FATAL_ERROR "${SOURCE}: it must not compile, but it does")
elseif(NOT result EQUAL 1)
  message("${said}")
  message(FATAL_ERROR "${SOURCE}: the compiler itself failed (${result}), see above")
elseif(NOT said MATCHES "${expected}")
  message("${said}")
  message(FATAL_ERROR "${SOURCE}: expected a message that matches \"${expected}\", see above")
endif()

if(first_lines MATCHES ";// errors: ([0-9]+)$")
  set(expected "${CMAKE_MATCH_1}")
  string(REGEX MATCHALL "error: " errors "${said}")
  list(LENGTH errors count)
  if(NOT count EQUAL expected)
    message("${said}")
    message(FATAL_ERROR "${SOURCE}: expected ${expected} error(s), found ${count}, see above")
  endif()
endif()
