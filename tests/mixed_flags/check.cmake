# Two files of one program, one of them compiled with flags for AVX-512: whichever the linker meets
# first, the portable kernels of the other have no AVX-512 instruction.
#
#   cmake -D SOURCE=<this folder> -D INCLUDE=<flags of include paths> -D WORK=<folder>
#         -D COMPILER=<c++> -D OBJDUMP=<objdump> -P check.cmake

cmake_minimum_required(VERSION 3.22)
file(MAKE_DIRECTORY "${WORK}")

function(run)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY "${WORK}" RESULT_VARIABLE status
                  ERROR_VARIABLE errors)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGN} failed:\n${errors}")
  endif()
endfunction()

string(REPLACE "|" ";" include "${INCLUDE}")
set(compile "${COMPILER}" -std=c++20 -O2 ${include} -c)
set(wide -march=x86-64-v4 -DCHAINRULE_TEST_PART=part_wide "${SOURCE}/part.cpp")
# As if all files had the same names: the guard of cpu/flags.hpp and its macros, empty.
set(undivided -DCHAINRULE_BACKEND_CPU_FLAGS_HPP -DCHAINRULE_CPU_BEGIN= -DCHAINRULE_CPU_END=)
run(${compile} "${SOURCE}/main.cpp" -o main.o)
run(${compile} -DCHAINRULE_TEST_PART=part_plain "${SOURCE}/part.cpp" -o plain.o)
run(${compile} ${wide} -o wide.o)
run(${compile} ${undivided} ${wide} -o undivided.o)

# The functions with AVX-512 instructions among those of the library that are not meant to have
# any, in a program of these objects.
function(scan result)
  run("${COMPILER}" ${ARGN} -pthread -o program)
  execute_process(COMMAND "${OBJDUMP}" -d -C --no-show-raw-insn program
                  COMMAND awk -f "${SOURCE}/scan.awk" WORKING_DIRECTORY "${WORK}"
                  OUTPUT_VARIABLE names RESULTS_VARIABLE statuses)
  if(NOT statuses STREQUAL "0;0")
    message(FATAL_ERROR "the disassembly of ${ARGN} failed: ${statuses}")
  endif()
  string(REPLACE ";" ":" names "${names}")
  string(REPLACE "\n" ";" names "${names}")
  # Those of the other instruction sets, and those that the flags were given for.
  list(FILTER names INCLUDE REGEX "chainrule::")
  list(FILTER names EXCLUDE REGEX "_avx512[<:]|_avx2[<:]|lane<[a-z]+, (32|64)>|flags_avx512")
  set(${result} "${names}" PARENT_SCOPE)
endfunction()

scan(names main.o undivided.o plain.o)
if(NOT names MATCHES "run_portable")
  message(FATAL_ERROR "where both files have the same names, no AVX-512 instruction was found in "
                      "portable kernels: this test would not find any")
endif()
foreach(order IN ITEMS "plain.o;wide.o" "wide.o;plain.o")
  scan(names main.o ${order})
  if(names)
    string(REPLACE ";" "\n  " names "${names}")
    message(SEND_ERROR "linked as ${order}, these have AVX-512 instructions:\n  ${names}")
  endif()
endforeach()
