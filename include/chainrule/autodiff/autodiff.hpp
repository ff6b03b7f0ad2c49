/// \file
/// Automatic differentiation, all of it: see autodiff/tape.hpp for where to begin.
#ifndef CHAINRULE_AUTODIFF_AUTODIFF_HPP
#define CHAINRULE_AUTODIFF_AUTODIFF_HPP

#include "chainrule/autodiff/backward.hpp"
#include "chainrule/autodiff/matmul.hpp"
#include "chainrule/autodiff/structure.hpp"

#endif  // CHAINRULE_AUTODIFF_AUTODIFF_HPP
