// Carries compiler flags; see compile_fail.cmake.
