/// \file
/// The headers that the suites of one backend have in common, compiled once for all of them.
#ifndef CHAINRULE_TESTS_SUPPORT_PRECOMPILED_HPP
#define CHAINRULE_TESTS_SUPPORT_PRECOMPILED_HPP

#include "chainrule/autodiff/autodiff.hpp"
#include "chainrule/chainrule.hpp"
#include "chainrule/testing/gradient_check.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

#endif  // CHAINRULE_TESTS_SUPPORT_PRECOMPILED_HPP
