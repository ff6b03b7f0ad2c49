# chainrule_own_target(<target>...): the warnings that our own code must be free of. They belong
# to the tests, examples and benchmarks only; nobody who links chainrule inherits them.
function(chainrule_own_target)
  foreach(target IN LISTS ARGN)
    target_compile_options(${target} PRIVATE
      -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow
      $<$<BOOL:${CHAINRULE_WERROR}>:-Werror>)
  endforeach()
endfunction()
