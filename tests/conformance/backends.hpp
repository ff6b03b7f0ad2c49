/// \file
/// The backends that the conformance suite runs on: a further backend is one line in the list.
///
/// A backend type passes if every verb of backend/concept.hpp does what its comment there says. The
/// tests reach its memory by upload and download only, so it may be anywhere.
#ifndef CHAINRULE_TESTS_CONFORMANCE_BACKENDS_HPP
#define CHAINRULE_TESTS_CONFORMANCE_BACKENDS_HPP

#include <tuple>

#ifdef CHAINRULE_TEST_OPENCL
#include "chainrule/backend/opencl.hpp"
#else
#include "chainrule/backend/cpu.hpp"
#endif

namespace conformance {

// Each list makes test programs of its own, so that one that has no device can be skipped.
#ifdef CHAINRULE_TEST_OPENCL
using backends = std::tuple<chainrule::basic_opencl<float>, chainrule::basic_opencl<double>>;
#else
using backends = std::tuple<chainrule::basic_cpu<float>, chainrule::basic_cpu<double>>;
#endif

}  // namespace conformance

#endif  // CHAINRULE_TESTS_CONFORMANCE_BACKENDS_HPP
