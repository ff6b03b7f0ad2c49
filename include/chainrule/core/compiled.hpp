/// \file
/// CHAINRULE_DEFINITIONS: whether this file is to see definitions that chainrule::compiled has.
///
/// The CMake target chainrule::compiled defines CHAINRULE_COMPILED in the programs that link it.
/// chainrule/compiled.hpp then declares what the library has, and definitions that need Eigen are
/// left out. Types are the same either way, so that files of both kinds may be linked together.
/// Where flags such as -mavx2 give the CPU backend another namespace (backend/cpu/flags.hpp), the
/// library does not have its instantiations, and a file is compiled as without CHAINRULE_COMPILED.
#ifndef CHAINRULE_CORE_COMPILED_HPP
#define CHAINRULE_CORE_COMPILED_HPP

#include "chainrule/core/compiler.hpp"

#if defined(CHAINRULE_COMPILED) && !defined(CHAINRULE_COMPILED_SOURCE) && !defined(__SSE3__) && \
    !defined(__BMI2__)
#define CHAINRULE_DEFINITIONS 0
#else
#define CHAINRULE_DEFINITIONS 1
#endif

#endif  // CHAINRULE_CORE_COMPILED_HPP
