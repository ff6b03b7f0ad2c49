/// \file
/// The instantiations that the CMake target chainrule::compiled has. Programs that link it do not
/// compile them; to other programs this file, which chainrule.hpp includes, adds nothing.
///
///     target_link_libraries(program PRIVATE chainrule::compiled)
///
/// Other types, such as a dense layer with an activation of the user's own, are compiled where they
/// are used, as everything is in a header-only program. See also core/compiled.hpp.
#ifndef CHAINRULE_COMPILED_HPP
#define CHAINRULE_COMPILED_HPP

#include "chainrule/backend/cpu.hpp"
#include "chainrule/core/compiled.hpp"
#include "chainrule/layers/batch_norm.hpp"
#include "chainrule/layers/convolution.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/layers/pooling.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/summary.hpp"
#include "chainrule/optim/optimizer.hpp"
#include "chainrule/train/trainer.hpp"

#if defined(CHAINRULE_COMPILED_SOURCE)  // cmake/compiled.cpp, the source of the library
#define CHAINRULE_INSTANTIATE template
#elif !CHAINRULE_DEFINITIONS
#define CHAINRULE_INSTANTIATE extern template
#endif

#ifdef CHAINRULE_INSTANTIATE

namespace chainrule {

CHAINRULE_INSTANTIATE class detail::pointwise_call<float>;
#if defined(CHAINRULE_COMPILED_SOURCE) && CHAINRULE_HAS_X86_TARGETS  // declared in gemm/row.hpp
template index_t detail::next_sums_avx2(const detail::gemm_problem<float>&, index_t, index_t,
                                        float*);
template index_t detail::next_sums_avx2(const detail::gemm_problem<double>&, index_t, index_t,
                                        double*);
template index_t detail::next_sums_avx512(const detail::gemm_problem<float>&, index_t, index_t,
                                          float*);
template index_t detail::next_sums_avx512(const detail::gemm_problem<double>&, index_t, index_t,
                                          double*);
#endif
CHAINRULE_INSTANTIATE class basic_cpu<float>;
CHAINRULE_INSTANTIATE class basic_cpu<double>;
CHAINRULE_INSTANTIATE class arena<cpu>;
CHAINRULE_INSTANTIATE class pass<cpu>;
CHAINRULE_INSTANTIATE class network<cpu>;
CHAINRULE_INSTANTIATE std::string summary(const network<cpu>&);

// Virtual functions of layers, losses and so on are instantiated with their tables.
CHAINRULE_INSTANTIATE struct any_layer<cpu>::holder<input>;
CHAINRULE_INSTANTIATE struct any_layer<cpu>::holder<flatten>;
CHAINRULE_INSTANTIATE struct any_layer<cpu>::holder<dropout>;
CHAINRULE_INSTANTIATE struct any_layer<cpu>::holder<max_pool>;
CHAINRULE_INSTANTIATE struct any_layer<cpu>::holder<batch_norm<identity>>;
CHAINRULE_INSTANTIATE struct any_layer<cpu>::holder<batch_norm<relu>>;
CHAINRULE_INSTANTIATE struct any_layer<cpu>::holder<conv2d<identity>>;
CHAINRULE_INSTANTIATE struct any_layer<cpu>::holder<conv2d<relu>>;
CHAINRULE_INSTANTIATE struct any_layer<cpu>::holder<dense<dynamic, dynamic, identity>>;
CHAINRULE_INSTANTIATE struct any_layer<cpu>::holder<dense<dynamic, dynamic, relu>>;
CHAINRULE_INSTANTIATE struct any_layer<cpu>::holder<dense<dynamic, dynamic, gelu>>;
CHAINRULE_INSTANTIATE struct any_layer<cpu>::holder<dense<dynamic, dynamic, fn::sigmoid>>;
CHAINRULE_INSTANTIATE struct any_layer<cpu>::holder<dense<dynamic, dynamic, fn::tanh>>;

CHAINRULE_INSTANTIATE struct any_loss<cpu>::holder<softmax_cross_entropy>;
CHAINRULE_INSTANTIATE struct any_loss<cpu>::holder<sigmoid_cross_entropy>;
CHAINRULE_INSTANTIATE struct any_loss<cpu>::holder<mean_squared_error>;
CHAINRULE_INSTANTIATE struct any_loss<cpu>::holder<quadratic_cost>;
CHAINRULE_INSTANTIATE struct any_metric<cpu>::holder<accuracy>;

CHAINRULE_INSTANTIATE class any_optimizer<cpu>;
CHAINRULE_INSTANTIATE class optimizer<cpu, chained<sgd>>;
CHAINRULE_INSTANTIATE class optimizer<cpu, chained<momentum>>;
CHAINRULE_INSTANTIATE class optimizer<cpu, chained<adam>>;
CHAINRULE_INSTANTIATE class optimizer<cpu, chained<adamw>>;

CHAINRULE_INSTANTIATE class dataset<cpu>;
CHAINRULE_INSTANTIATE class step_executor<cpu>;
CHAINRULE_INSTANTIATE class trainer<cpu>;

}  // namespace chainrule

#undef CHAINRULE_INSTANTIATE
#endif

#endif  // CHAINRULE_COMPILED_HPP
