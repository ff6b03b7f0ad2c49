/// \file
/// All headers of automatic differentiation; begin with autodiff/tape.hpp.
#ifndef CHAINRULE_AUTODIFF_AUTODIFF_HPP
#define CHAINRULE_AUTODIFF_AUTODIFF_HPP

#include "chainrule/autodiff/backward.hpp"
#include "chainrule/autodiff/call.hpp"
#include "chainrule/autodiff/dot.hpp"
#include "chainrule/autodiff/jacobian.hpp"
#include "chainrule/autodiff/lambda_layer.hpp"
#include "chainrule/autodiff/parameter_set.hpp"

#endif  // CHAINRULE_AUTODIFF_AUTODIFF_HPP
