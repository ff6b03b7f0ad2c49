# Nothing is missing in the table of gradients: every layer, activation, rule of first weights,
# loss, function of the vocabulary and operation on variables that the headers define has a row, in
# double and in float, and no row is printed twice.
#
#   cmake -D INCLUDE=<folder that holds chainrule/> -D PROGRAM=<test_gradients> -P rows.cmake
#
# ROWS=<file> in place of PROGRAM names the lines of an earlier run.

cmake_minimum_required(VERSION 3.22)

get_filename_component(INCLUDE "${INCLUDE}" ABSOLUTE)  # as GLOB wants it

if(DEFINED PROGRAM)
  unset(ENV{CHAINRULE_TEST_GRADIENTS})
  execute_process(COMMAND "${PROGRAM}" OUTPUT_VARIABLE output ERROR_VARIABLE output
                  RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${PROGRAM} failed (${result}):\n${output}")
  endif()
else()
  file(READ "${ROWS}" output)
endif()

# What rows are about, as group|name: their whole name, what stands before a comma and, of
# operations, each word.
set(complaints)
set(printed)
string(REGEX REPLACE "[][;]" " " output "${output}")  # which would mean something in a list
string(REGEX MATCHALL "gradient[|][^\n]+" lines "${output}")
foreach(line IN LISTS lines)
  if(NOT line MATCHES "^gradient[|][^|]+[|](double|float)[|]([^|]+)[|]([^|]+)[|]")
    list(APPEND complaints "this line is no row: ${line}")
    continue()
  endif()
  set(scalar "${CMAKE_MATCH_1}")
  set(group "${CMAKE_MATCH_2}")
  set(name "${CMAKE_MATCH_3}")
  if("${scalar}|${group}|${name}" IN_LIST printed)
    list(APPEND complaints "${group}, ${name} is printed twice in ${scalar}")
  endif()
  list(APPEND printed "${scalar}|${group}|${name}")
  list(APPEND rows_${scalar} "${group}|${name}")
  string(REGEX REPLACE ",.*" "" subject "${name}")
  list(APPEND rows_${scalar} "${group}|${subject}")
  if(group STREQUAL "operations")
    string(REGEX MATCHALL "[^ ,]+" words "${name}")
    list(TRANSFORM words PREPEND "operations|")
    list(APPEND rows_${scalar} ${words})
  endif()
endforeach()

# wanted(<row> <header>): complains if there is none.
set(subjects 0)
function(wanted row header)
  math(EXPR count "${subjects} + 1")
  set(subjects ${count} PARENT_SCOPE)
  foreach(scalar IN ITEMS double float)
    if(NOT row IN_LIST rows_${scalar})
      string(REPLACE "|" ", " text "${row}")
      list(APPEND complaints "no row in ${scalar}: ${text} (${header}), add it in tests/gradients")
    endif()
  endforeach()
  set(complaints "${complaints}" PARENT_SCOPE)
endfunction()

# names(<variable> <regular expression> <text> [<number of a group>]): what its group, else the
# first, matches, each once, in order.
function(names variable expression text)
  string(REGEX MATCHALL "${expression}" matches "${text}")
  set(group 1)
  if(ARGC GREATER 3)
    set(group ${ARGV3})
  endif()
  list(TRANSFORM matches REPLACE "${expression}" "\\${group}")
  list(REMOVE_DUPLICATES matches)
  set(${variable} "${matches}" PARENT_SCOPE)
endfunction()

# read_header(<variable> <header>): its code, without what means something in a list.
function(read_header variable header)
  file(READ "${INCLUDE}/chainrule/${header}" text)
  string(REGEX REPLACE "//[^\n]*" "" text "${text}")
  string(REGEX REPLACE "[][;]" " " text "${text}")
  set(${variable} "${text}" PARENT_SCOPE)
endfunction()

set(named "static constexpr (const char\\*|std::string_view) name = \"([^\"]+)\"")
function(names_in variable text)
  string(REGEX MATCHALL "${named}" matches "${text}")
  list(TRANSFORM matches REPLACE "${named}" "\\2")
  list(REMOVE_DUPLICATES matches)
  set(${variable} "${matches}" PARENT_SCOPE)
endfunction()

# found(<list> <header> <what>): the headers are read by their style; if nothing is found, that of
# this file is out of date.
function(found list header what)
  if(NOT ${list})
    list(APPEND complaints "${header}: found no ${what}, tests/gradients/rows.cmake has to follow")
    set(complaints "${complaints}" PARENT_SCOPE)
  endif()
endfunction()

file(GLOB losses RELATIVE "${INCLUDE}/chainrule" "${INCLUDE}/chainrule/losses/*.hpp")
list(REMOVE_ITEM losses losses/loss.hpp)  # what a loss is
found(losses losses "header")
foreach(header IN LISTS losses)
  read_header(text ${header})
  names_in(all "${text}")
  found(all ${header} "loss")
  foreach(name IN LISTS all)
    wanted("losses|${name}" ${header})
  endforeach()
endforeach()

# A layer is what has a `bind`, which the layers of a header may share.
file(GLOB layers RELATIVE "${INCLUDE}/chainrule" "${INCLUDE}/chainrule/layers/*.hpp"
     "${INCLUDE}/chainrule/autodiff/*layer*.hpp")
list(REMOVE_ITEM layers layers/layer.hpp)  # the contract
found(layers layers "header")
foreach(header IN LISTS layers)
  read_header(text ${header})
  string(REGEX MATCHALL "shape bind\\(plan&" binds "${text}")
  names_in(all "${text}")
  list(LENGTH binds specs)
  list(LENGTH all count)
  if(specs GREATER count OR (specs EQUAL 0 AND count GREATER 0))
    list(APPEND complaints "${header}: ${specs} layers (bind) with ${count} names, expected one each")
  endif()
  foreach(name IN LISTS all)
    wanted("layers|${name}" ${header})
  endforeach()
endforeach()

set(header layers/initializers.hpp)
read_header(text ${header})
names(all "constexpr initializer ([a-z0-9_]+)\\(" "${text}")
list(REMOVE_ITEM all initializer_for elementwise)  # which choose, or make, one of the others
found(all ${header} "rule of first weights")
foreach(name IN LISTS all)
  wanted("layers|dense, weights by ${name}" ${header})
endforeach()

set(header pointwise/activations.hpp)
read_header(text ${header})
names(all "visit\\((fn::)?([a-z0-9_]+){" "${text}" 2)
found(all ${header} "activation")
foreach(name IN LISTS all)
  wanted("activations|${name}" ${header})
  wanted("activations of dense layers|${name}" ${header})
endforeach()

set(header pointwise/functions.hpp)
read_header(text ${header})
names(all "f\\((unary|composite|binary), ([a-z0-9_]+)," "${text}" 2)
found(all ${header} "function")
list(APPEND all clamp)
foreach(name IN LISTS all)
  wanted("functions|${name}" ${header})
endforeach()

# Operations stand in the namespace math of the graph's headers. Without rows are those behind
# others (of products, of broadcasts, of where, of the vocabulary), and headers that differentiate
# or make variables.
set(behind_others product sum_to select evaluate embed)
file(GLOB graphs RELATIVE "${INCLUDE}/chainrule" "${INCLUDE}/chainrule/autodiff/*.hpp")
list(REMOVE_ITEM graphs autodiff/backward.hpp autodiff/jacobian.hpp autodiff/tape.hpp)
set(operations)
foreach(header IN LISTS graphs)
  read_header(text ${header})
  # Piece by piece, each from one line "namespace ... {" to the next.
  string(REPLACE "\nnamespace " "@namespace " text "${text}")
  string(REGEX MATCHALL "@namespace [^@]+" pieces "${text}")
  foreach(piece IN LISTS pieces)
    if(NOT piece MATCHES "^@namespace (chainrule::)?math ")
      continue()
    endif()
    string(REGEX MATCHALL "(variable<B>|auto) ([a-z_]+|operator[-+*/])\\(" all "${piece}")
    list(TRANSFORM all REPLACE "(variable<B>|auto) (operator)?([a-z_]+|[-+*/])\\(" "\\3")
    list(REMOVE_DUPLICATES all)
    list(REMOVE_ITEM all ${behind_others})
    foreach(name IN LISTS all)
      wanted("operations|${name}" ${header})
      list(APPEND operations ${name})
    endforeach()
  endforeach()
endforeach()
found(operations autodiff "operation")

if(complaints)
  list(REMOVE_DUPLICATES complaints)
  list(JOIN complaints "\n  " text)
  message(FATAL_ERROR "the table of gradients is not complete:\n  ${text}\n")
endif()
message("all ${subjects} have their rows, in double and in float")
