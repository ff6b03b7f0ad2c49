/// \file
/// `lane<T, Bytes>`: a vector as a number type, so that a pointwise functor runs on several
/// elements at once and without temporaries.
///
///     auto x = math::lane<float>::load(p);
///     (x / (1 + exp(-x))).store(q);
///
/// It is made of the compilers' own vectors, so that a functor that is compiled with the program's
/// flags becomes AVX-512 where it is inlined into a function for AVX-512 (cpu/isa.hpp): the same
/// source for every instruction set. The class is in cpu/lane_type.hpp, the functions are in
/// cpu/lane_math.hpp.
///
/// Lanes are classes with a copy constructor of their own and so handed over by address: how a
/// plain vector is handed over depends on the target, and a functor that is not inlined has another
/// one than its caller.
///
/// A lane's result does not depend on its place in the vector, nor on its neighbours.
#ifndef CHAINRULE_BACKEND_CPU_LANE_HPP
#define CHAINRULE_BACKEND_CPU_LANE_HPP

#include "chainrule/backend/cpu/lane_math.hpp"
#include "chainrule/backend/cpu/lane_type.hpp"

#endif  // CHAINRULE_BACKEND_CPU_LANE_HPP
