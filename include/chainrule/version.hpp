/// \file
/// The library's version, written here and nowhere else (CMake reads this file).
#ifndef CHAINRULE_VERSION_HPP
#define CHAINRULE_VERSION_HPP

/// First number of the version.
#define CHAINRULE_VERSION_MAJOR 0
/// Second number of the version; below 1.0 the interface may change with it.
#define CHAINRULE_VERSION_MINOR 2
/// Third number of the version.
#define CHAINRULE_VERSION_PATCH 0
/// The version as a text, such as "0.2.0".
#define CHAINRULE_VERSION "0.2.0"

#endif  // CHAINRULE_VERSION_HPP
