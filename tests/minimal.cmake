# The suites over the backend that docs/backend-guide.md walks through.
foreach(area IN LISTS backend_areas)
  chainrule_backend_suite(minimal ${area} FILES ${files_of_${area}} LIBS chainrule_test_support)
endforeach()
