# Ranks over MPI, mpi.*, and over SimGrid's simulation of MPI, smpi.equal. Where MPI, or SimGrid, is
# not found they are listed as skipped.

# chainrule_mpi_test(<name> <target or program> <mpirun> <what check.sh does> [<kills>])
function(chainrule_mpi_test name program mpirun what)
  add_test(NAME ${name} COMMAND sh "${CMAKE_CURRENT_SOURCE_DIR}/mpi/check.sh" ${what} "${program}"
           "${mpirun}" "${CMAKE_CURRENT_BINARY_DIR}/${name}" ${ARGN})
  set_tests_properties(${name} PROPERTIES LABELS mpi TIMEOUT 300 PROCESSORS 2 SKIP_RETURN_CODE 77)
endfunction()
# chainrule_skip_mpi_test(<sentence> <name>...)
function(chainrule_skip_mpi_tests sentence)
  message(STATUS "tests: ${sentence}, so ${ARGN} are skipped")
  foreach(name IN LISTS ARGN)
    add_test(NAME ${name} COMMAND "${CMAKE_COMMAND}" -E echo "skipped: ${sentence}")
    set_tests_properties(${name} PROPERTIES LABELS mpi SKIP_REGULAR_EXPRESSION "skipped: ")
  endforeach()
endfunction()

string(TOUPPER "${CMAKE_BUILD_TYPE}" build_type)
if(NOT TARGET chainrule::mpi OR NOT MPIEXEC_EXECUTABLE)
  chainrule_skip_mpi_tests("MPI was not found" mpi.equal mpi.failures mpi.resume)
elseif("${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${build_type}}" MATCHES "-fsanitize=[a-z,]*thread")
  chainrule_skip_mpi_tests("the thread sanitizer does not know MPI's threads" mpi.equal
                           mpi.failures mpi.resume)
else()
  add_executable(test_mpi_ranks mpi/mpi_ranks.cpp)
  target_link_libraries(test_mpi_ranks PRIVATE chainrule::mpi)
  chainrule_own_target(test_mpi_ranks)
  target_compile_options(test_mpi_ranks PRIVATE -O1)
  foreach(what IN ITEMS equal failures resume)
    chainrule_mpi_test(mpi.${what} "$<TARGET_FILE:test_mpi_ranks>" "${MPIEXEC_EXECUTABLE}" ${what})
  endforeach()
  chainrule_mpi_test(mpi.resume_often "$<TARGET_FILE:test_mpi_ranks>" "${MPIEXEC_EXECUTABLE}"
                     resume 20 CONFIGURATIONS long)
  set_tests_properties(mpi.resume_often PROPERTIES TIMEOUT 900)
endif()

# The program once more, compiled for the simulator: it is the test that needs it.
find_program(CHAINRULE_SMPICXX smpicxx DOC "SimGrid's compiler of programs that use MPI")
find_program(CHAINRULE_SMPIRUN smpirun DOC "SimGrid's mpirun")
mark_as_advanced(CHAINRULE_SMPICXX CHAINRULE_SMPIRUN)
if(CHAINRULE_SMPICXX AND CHAINRULE_SMPIRUN)
  set(program "${CMAKE_CURRENT_BINARY_DIR}/test_smpi_ranks")
  set(eigen "$<TARGET_PROPERTY:Eigen3::Eigen,INTERFACE_INCLUDE_DIRECTORIES>")
  add_test(NAME smpi.build
           COMMAND "${CHAINRULE_SMPICXX}" -std=c++20 -O1 "-I${PROJECT_SOURCE_DIR}/include"
                   "-isystem$<JOIN:${eigen},;-isystem>"
                   "${CMAKE_CURRENT_SOURCE_DIR}/mpi/mpi_ranks.cpp" -pthread -o "${program}"
           COMMAND_EXPAND_LISTS)
  chainrule_mpi_test(smpi.equal "${program}" "${CHAINRULE_SMPIRUN}" smpi)
  set_tests_properties(smpi.build PROPERTIES LABELS mpi TIMEOUT 300 FIXTURES_SETUP smpi)
  set_tests_properties(smpi.equal PROPERTIES FIXTURES_REQUIRED smpi)
else()
  chainrule_skip_mpi_tests("SimGrid was not found" smpi.build smpi.equal)
endif()
