/// \file
/// `lane<T, Bytes>`: a vector as a number type, so that a pointwise functor runs on several
/// elements at once and without temporaries.
///
///     auto x = math::lane<float>::load(p);
///     (x / (1 + exp(-x))).store(q);
///
/// It holds a vector of the compiler's vector extension, so that one source compiles to each
/// instruction set: a functor becomes AVX-512 code where it is inlined into a function for AVX-512
/// (cpu/isa.hpp). The class is in cpu/lane_type.hpp, the functions are in cpu/lane_math.hpp.
///
/// Lanes have a user-provided copy constructor and are therefore passed by address: how a plain
/// vector is passed by value depends on the target, and a functor that is not inlined has a
/// different target than its caller.
///
/// The result of an element does not depend on its position in the vector, nor on other elements.
#ifndef CHAINRULE_BACKEND_CPU_LANE_HPP
#define CHAINRULE_BACKEND_CPU_LANE_HPP

#include "chainrule/backend/cpu/lane_math.hpp"
#include "chainrule/backend/cpu/lane_type.hpp"

#endif  // CHAINRULE_BACKEND_CPU_LANE_HPP
