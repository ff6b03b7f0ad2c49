# What depends on the CPU's kernels, once more on each instruction set: cpu_avx2.<area> and so on.
# The programs are those that run above on the widest one; where the machine does not support a
# set, its tests are skipped.

foreach(set IN ITEMS portable avx2 avx512)
  foreach(area IN ITEMS conformance backend gradients memory ops layers losses optim network
          train)
    add_test(NAME cpu_${set}.${area} COMMAND test_${area})
    set_tests_properties(cpu_${set}.${area} PROPERTIES
      LABELS "cpu_${set}" TIMEOUT 600 ENVIRONMENT "CHAINRULE_ISA=${set}"
      SKIP_REGULAR_EXPRESSION "does not support the instruction set ${set}")
  endforeach()
endforeach()

# A set that does not exist.
add_test(NAME cpu_unknown.network
         COMMAND test_network "a static network refuses an unknown instruction set")
set_tests_properties(cpu_unknown.network PROPERTIES LABELS network TIMEOUT 60
                                                    ENVIRONMENT "CHAINRULE_ISA=sse9")
