/// \file
/// The library's version, written here and nowhere else (CMake reads this file).
#ifndef CHAINRULE_VERSION_HPP
#define CHAINRULE_VERSION_HPP

#define CHAINRULE_VERSION_MAJOR 0
#define CHAINRULE_VERSION_MINOR 2
#define CHAINRULE_VERSION_PATCH 0
#define CHAINRULE_VERSION "0.2.0"

#endif  // CHAINRULE_VERSION_HPP
