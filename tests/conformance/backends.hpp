/// \file
/// The backends that the conformance suite runs on; support/backend_list.hpp says which.
///
/// A backend type passes if every verb of backend/concept.hpp does what its comment there says. The
/// tests reach its memory by upload and download only, so it may be anywhere.
#ifndef CHAINRULE_TESTS_CONFORMANCE_BACKENDS_HPP
#define CHAINRULE_TESTS_CONFORMANCE_BACKENDS_HPP

#include "support/backend_list.hpp"

namespace conformance {

using support::backends;

}  // namespace conformance

#endif  // CHAINRULE_TESTS_CONFORMANCE_BACKENDS_HPP
