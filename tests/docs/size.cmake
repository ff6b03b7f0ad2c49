# How much a compiler has to do for the first program of the README: the functions of its object at
# -O0, where each that is instantiated is one, and the bytes of its code at -O2. Both grow with the
# time that compiling takes, but are the same on every machine. A change that raises a bound says why.
#
#   cmake -D PAGE=<README.md> -D WORK=<folder> -D COMPILER=<g++ 12> -D FLAGS=<a|b> -D NM=<nm>
#         -D FUNCTIONS=<most> -D BYTES=<most> -P size.cmake
cmake_minimum_required(VERSION 3.22)
string(REPLACE "|" ";" flags "${FLAGS}")

file(READ "${PAGE}" page)
string(FIND "${page}" "\n```cpp\n" begin)
math(EXPR begin "${begin} + 8")
string(SUBSTRING "${page}" ${begin} -1 program)
string(FIND "${program}" "\n```" end)
string(SUBSTRING "${program}" 0 ${end} program)
file(WRITE "${WORK}/program.cpp" "${program}\n")

# Assigns to `count` the functions of the object, and to `bytes` the sum of their sizes.
function(measure level)
  set(object "${WORK}/program${level}.o")
  execute_process(COMMAND "${COMPILER}" ${flags} ${level} -c "${WORK}/program.cpp" -o "${object}"
                  COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND "${NM}" --print-size --radix=d "${object}" OUTPUT_VARIABLE symbols
                  COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[0-9]+ [0-9]+ [tTwW] " symbols "${symbols}")
  list(LENGTH symbols count)
  set(bytes 0)
  foreach(symbol IN LISTS symbols)
    string(REGEX REPLACE "^[0-9]+ 0*([0-9]+) .*" "\\1" size "${symbol}")
    math(EXPR bytes "${bytes} + ${size}")
  endforeach()
  set(count ${count} PARENT_SCOPE)
  set(bytes ${bytes} PARENT_SCOPE)
endfunction()

measure(-O0)
set(functions ${count})
measure(-O2)
message(STATUS "the README's program: ${functions} functions at -O0, ${bytes} bytes of code at -O2")
foreach(figure IN ITEMS functions bytes)
  string(TOUPPER "${figure}" bound)
  if(${figure} LESS 1000)
    message(FATAL_ERROR "${figure}: ${${figure}} cannot be right; does the README begin with a program?")
  endif()
  if(${figure} GREATER ${bound})
    message(FATAL_ERROR "the README's program has ${${figure}} ${figure}, the bound is ${${bound}}: what do "
                        "all programs compile now that they did not before?")
  endif()
endforeach()
