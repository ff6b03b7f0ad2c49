# Proves that rows.cmake finds what it must find: a small set of headers and rows, one lack each.
#
#   cmake -D WORK=<scratch folder> -P self_test.cmake

cmake_minimum_required(VERSION 3.22)
include("${CMAKE_CURRENT_LIST_DIR}/../support/complaint.cmake")

set(check "${CMAKE_CURRENT_LIST_DIR}/rows.cmake")

# expect(<name> <"nothing" or what the complaint must say> [WITHOUT <row>] [ROW <line>]
#        [HEADER <header> <its text, without a semicolon>])
function(expect name wanted)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "WITHOUT;ROW" "HEADER")
  set(root "${WORK}/${name}")
  file(REMOVE_RECURSE "${root}")
  set(losses/loss.hpp "// what a loss is")
  set(losses/l.hpp "struct l {\n  static constexpr const char* name = \"some loss\";\n};")
  set(layers/dense.hpp
      "class dense {\n  static constexpr const char* name = \"dense\";\n  shape bind(plan& p)")
  set(layers/initializers.hpp "[[nodiscard]] constexpr initializer zeros() { return {}; }")
  set(pointwise/activations.hpp
      "visit(relu{}) visit(fn::tanh{})")
  set(pointwise/functions.hpp "  f(unary, exp, std::exp(x), of_y, y)")
  set(autodiff/a.hpp "\nnamespace chainrule {\nnamespace detail {\nvariable<B> hidden(variable<B> x);
}\nnamespace math {\nvariable<B> product(x);\nvariable<B> operator*(x);\n}")
  set(headers losses/loss.hpp losses/l.hpp layers/dense.hpp layers/initializers.hpp
      pointwise/activations.hpp pointwise/functions.hpp autodiff/a.hpp)
  if(arg_HEADER)
    list(POP_FRONT arg_HEADER header text)
    set(${header} "${text}")
    list(APPEND headers ${header})
  endif()
  foreach(header IN LISTS headers)
    file(WRITE "${root}/chainrule/${header}" "${${header}}\n")
  endforeach()

  set(rows "another line\n")
  foreach(row IN ITEMS "losses|some loss, values" "layers|dense" "layers|dense, weights by zeros"
          "activations|relu" "activations of dense layers|relu" "activations|tanh"
          "activations of dense layers|tanh" "functions|exp" "functions|clamp" "operations|*")
    foreach(scalar IN ITEMS double float)
      if(NOT "${scalar}|${row}" STREQUAL "${arg_WITHOUT}")
        string(APPEND rows "gradient|cpu|${scalar}|${row}|1.0e-09\n")
      endif()
    endforeach()
  endforeach()
  if(DEFINED arg_ROW)
    string(APPEND rows "${arg_ROW}\n")
  endif()
  file(WRITE "${root}/rows" "${rows}")

  execute_process(COMMAND "${CMAKE_COMMAND}" -D "INCLUDE=${root}" -D "ROWS=${root}/rows"
                          -P "${check}"
                  RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE err)
  expect_complaint("${name}" "${wanted}" "${result}" "${out}${err}")
endfunction()

expect(complete nothing)
expect(missing_loss "no row in float: losses, some loss" WITHOUT "float|losses|some loss, values")
expect(missing_rule "no row in double: layers, dense, weights by zeros"
       WITHOUT "double|layers|dense, weights by zeros")
expect(missing_activation "no row in double: activations, relu" WITHOUT "double|activations|relu")
expect(missing_end "no row in double: activations of dense layers, relu"
       WITHOUT "double|activations of dense layers|relu")
expect(missing_function "no row in float: functions, exp" WITHOUT "float|functions|exp")
expect(missing_operation "no row in double: operations, *" WITHOUT "double|operations|*")
expect(new_loss "no row in double: losses, other"
       HEADER losses/other.hpp "static constexpr const char* name = \"other\"")
expect(new_layer "no row in double: layers, other" HEADER layers/other.hpp
       "static constexpr const char* name = \"other\"\nshape bind(plan& p")
expect(nameless_layer "1 layers (bind) with 0 names"
       HEADER layers/other.hpp "shape bind(plan& p")
expect(new_operation "no row in double: operations, fold"
       HEADER autodiff/b.hpp "\nnamespace chainrule::math {\nvariable<B> fold(const x)\n}")
expect(other_style "found no activation"
       HEADER pointwise/activations.hpp "call(relu{})")
expect(twice "losses, some loss, values is printed twice in double"
       ROW "gradient|cpu|double|losses|some loss, values|1.0e-09")
expect(no_row "this line is no row" ROW "gradient|cpu|half|losses|some loss, values|1.0e-09")
