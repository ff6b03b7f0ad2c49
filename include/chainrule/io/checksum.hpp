/// \file
/// The old place of core/checksum.hpp, kept for one version.
#ifndef CHAINRULE_IO_CHECKSUM_HPP
#define CHAINRULE_IO_CHECKSUM_HPP

#include "chainrule/core/checksum.hpp"

#endif  // CHAINRULE_IO_CHECKSUM_HPP
