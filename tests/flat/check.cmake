# What clang compiles of a static network for AVX2 and AVX-512 (with_lanes_avx...) calls no function
# of the library: such a function is compiled for the set of the file, SSE2.
#
#   cmake -D SOURCE=<this folder> -D INCLUDE=<flags joined by |> -D WORK=<folder>
#         -D COMPILER=<clang> -D OBJDUMP=<objdump> -P check.cmake

cmake_minimum_required(VERSION 3.22)

file(MAKE_DIRECTORY "${WORK}")
string(REPLACE "|" ";" include "${INCLUDE}")
set(object "${WORK}/network.o")
execute_process(COMMAND "${COMPILER}" -std=c++20 -O2 ${include} -c "${SOURCE}/network.cpp"
                        -o "${object}"
                COMMAND_ERROR_IS_FATAL ANY)
# Calls are relocations in an object.
execute_process(COMMAND "${OBJDUMP}" -dr --no-show-raw-insn "${object}" OUTPUT_VARIABLE text
                COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "\n[0-9a-f]+ <[^>]*>:|R_X86_64_P[A-Z]*32[ \t]+[A-Za-z0-9_.]+" lines "${text}")

set(functions 0)
set(inside FALSE)
set(calls)
foreach(line IN LISTS lines)
  if(line MATCHES "<([^>]*)>:")
    set(name "${CMAKE_MATCH_1}")
    set(inside FALSE)
    if(name MATCHES "with_lanes_avx(2|512)")
      set(inside TRUE)
      math(EXPR functions "${functions} + 1")
    endif()
  elseif(inside AND line MATCHES "[ \t](_Z[A-Za-z0-9_]*9chainrule[A-Za-z0-9_]*)")
    string(SUBSTRING "${CMAKE_MATCH_1}" 0 120 called)
    list(APPEND calls "${called}")
  endif()
endforeach()

# Two sets for each of the rows of predict, one sample, the step and the gradients.
if(functions LESS 8)
  message(FATAL_ERROR "expected at least 8 functions with_lanes_avx..., found ${functions}")
endif()
if(calls)
  list(JOIN calls "\n  " text)
  message(FATAL_ERROR "functions compiled for AVX call these, which are not:\n  ${text}\n"
                      "Mark them, or lambdas in them, CHAINRULE_FLAT.")
endif()
