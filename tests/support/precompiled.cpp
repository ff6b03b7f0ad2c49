// Has nothing to compile but precompiled.hpp, which the suites of a backend share.
