# The suites over the backend that docs/backend-guide.md walks through, without the files of what
# calls no verb that the other trainings do not call.
set(not_of_minimal
    train/callbacks_test.cpp train/checkpoint_test.cpp train/combinations_test.cpp
    train/ranks_test.cpp train/tables_test.cpp train/tensorboard_log_test.cpp)
foreach(area IN LISTS backend_areas)
  set(files ${files_of_${area}})
  list(REMOVE_ITEM files ${not_of_minimal})
  chainrule_backend_suite(minimal ${area} FILES ${files} LIBS chainrule_test_support)
endforeach()
