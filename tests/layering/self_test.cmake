# Proves that check.cmake finds what it must find: small trees, one sin each.
#
#   cmake -D WORK=<scratch folder> -P self_test.cmake

cmake_minimum_required(VERSION 3.22)
include("${CMAKE_CURRENT_LIST_DIR}/../support/complaint.cmake")

set(check "${CMAKE_CURRENT_LIST_DIR}/check.cmake")

# expect(<name> <"nothing" or what the complaint must say> <header> <its text> ...)
function(expect name wanted)
  set(root "${WORK}/${name}")
  file(REMOVE_RECURSE "${root}")
  while(ARGN)
    list(POP_FRONT ARGN header text)
    file(WRITE "${root}/chainrule/${header}" "${text}\n")
  endwhile()
  execute_process(COMMAND "${CMAKE_COMMAND}" -D "ROOT=${root}" -P "${check}"
                  RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE err)
  expect_complaint("${name}" "${wanted}" "${result}" "${out}${err}")
endfunction()

expect(good nothing
  chainrule.hpp "#include \"chainrule/train/trainer.hpp\""
  version.hpp "#define V 1"
  core/a.hpp "#include <vector>\n#include \"chainrule/version.hpp\"\n#include \"chainrule/core/b.hpp\""
  layers/a.hpp "#include \"chainrule/ops/b.hpp\"\n#include \"chainrule/core/a.hpp\""
  train/a.hpp "#include \"chainrule/losses/b.hpp\"\n#include \"chainrule/optim/b.hpp\""
  testing/a.hpp "#include \"chainrule/train/a.hpp\"")
expect(upward "core may not include ops" core/a.hpp "#include \"chainrule/ops/b.hpp\"")
expect(angles "backend may not include memory" backend/cpu/a.hpp "#  include <chainrule/memory/b.hpp>")
expect(sideways "losses may not include optim" losses/a.hpp "#include \"chainrule/optim/b.hpp\"")
expect(sideways_back "optim may not include losses" optim/a.hpp "#include \"chainrule/losses/b.hpp\"")
expect(data "data may not include memory" data/a.hpp "#include \"chainrule/memory/b.hpp\"")
expect(io "io may not include network" io/a.hpp "#include \"chainrule/network/b.hpp\"")
expect(testing_from_below "ops may not include testing" ops/a.hpp "#include \"chainrule/testing/b.hpp\"")
expect(umbrella "only programs include that" train/a.hpp "#include \"chainrule/chainrule.hpp\"")
expect(predict nothing predict.hpp "#include \"chainrule/io/a.hpp\"\n#include \"chainrule/network/a.hpp\"")
expect(predict_trains "predict may not include train" predict.hpp "#include \"chainrule/train/a.hpp\"")
expect(predict_updates "predict may not include optim" predict.hpp "#include \"chainrule/optim/a.hpp\"")
expect(relative "write it from the root" core/a.hpp "#include \"../ops/b.hpp\"")
expect(dots "write it from the root" core/a.hpp "#include <../ops/b.hpp>")
expect(new_folder "has no place in the order" magic/a.hpp "#include <vector>")
expect(alone "core/a.hpp does not include chainrule/core/compiler.hpp"
  core/a.hpp "#include <vector>\n#include \"chainrule/version.hpp\"")
expect(arithmetic "autodiff/a.hpp calls the verb .map(" autodiff/a.hpp
  "#include \"chainrule/ops/b.hpp\"\nbe.map(g, y, x)")
expect(arithmetic_in_a_comment nothing autodiff/a.hpp
  "#include \"chainrule/ops/b.hpp\"\n// be.map(g, y, x) is for ops")
expect(ranks_by_name nothing train/mpi.hpp "#include <mpi.h>\n#include \"chainrule/train/communicator.hpp\"")
expect(mpi_in_the_umbrella "only programs include that" chainrule.hpp "#include \"chainrule/train/mpi.hpp\"")
expect(messages_in_a_trainer "only programs include that" train/a.hpp
  "#include \"chainrule/train/communicator.hpp\"")
expect(mpi_elsewhere "only programs include that" train/a.hpp "#  include <mpi.h>")
expect(empty "no headers" ../x.hpp "")
