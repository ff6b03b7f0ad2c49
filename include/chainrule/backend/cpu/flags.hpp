/// \file
/// CHAINRULE_CPU_BEGIN and CHAINRULE_CPU_END: around the names of the CPU backend, which differ
/// between files that are compiled with flags such as -mavx2 or -march=native and files that are
/// not.
///
///     namespace chainrule::detail {
///     CHAINRULE_CPU_BEGIN
///
/// A template or an inline function is compiled in each file that uses it, with the flags of that
/// file, and of equal names the linker keeps one copy for the whole program. So there is an inline
/// namespace for each level of x86-64 (v2 to v4 of its psABI) that flags enable, and none without
/// such flags: the linker does not take the copy of a file with -mavx512f for the portable kernels
/// of the others. A function with a cpu among its parameters is then found only by files of the
/// same level as its own.
#ifndef CHAINRULE_BACKEND_CPU_FLAGS_HPP
#define CHAINRULE_BACKEND_CPU_FLAGS_HPP

#include "chainrule/core/compiler.hpp"

// clang-format off
#if defined(__AVX512F__)
#define CHAINRULE_CPU_BEGIN inline namespace flags_avx512 {
#elif defined(__AVX2__) || defined(__FMA__) || defined(__BMI2__)
#define CHAINRULE_CPU_BEGIN inline namespace flags_avx2 {
#elif defined(__AVX__)
#define CHAINRULE_CPU_BEGIN inline namespace flags_avx {
#elif defined(__SSE3__)
#define CHAINRULE_CPU_BEGIN inline namespace flags_sse4 {
#endif
#ifdef CHAINRULE_CPU_BEGIN
#define CHAINRULE_CPU_END }
#else
#define CHAINRULE_CPU_BEGIN
#define CHAINRULE_CPU_END
#endif
// clang-format on

#endif  // CHAINRULE_BACKEND_CPU_FLAGS_HPP
