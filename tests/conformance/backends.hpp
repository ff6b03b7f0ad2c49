/// \file
/// The backends that the conformance suite runs on: a further backend is one line in the list.
///
/// A backend type passes if every verb of backend/concept.hpp does what its comment there says. The
/// tests reach its memory by upload and download only, so it may be anywhere.
#ifndef CHAINRULE_TESTS_CONFORMANCE_BACKENDS_HPP
#define CHAINRULE_TESTS_CONFORMANCE_BACKENDS_HPP

#include <tuple>

#include "chainrule/backend/cpu.hpp"

namespace conformance {

// clang-format off
using backends = std::tuple<
    chainrule::basic_cpu<float>,
    chainrule::basic_cpu<double>
>;
// clang-format on

}  // namespace conformance

#endif  // CHAINRULE_TESTS_CONFORMANCE_BACKENDS_HPP
