# run(<what> <command>...): its output is in `output`; a failure ends the test.
function(run what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${what} failed (${result}):\n${out}${err}")
  endif()
  message(STATUS "${what}: ok")
  set(output "${out}${err}" PARENT_SCOPE)
endfunction()
