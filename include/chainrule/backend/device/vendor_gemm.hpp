/// \file
/// `vendor_gemm`: the arguments of a product of matrices by a vendor's library, and which epilogues
/// such libraries have.
///
/// A runtime whose API has such a library offers
///
///     template <class T>
///     bool multiply(const vendor_gemm<buffer, T>&);  // false: not queued, use the kernel
///
/// and the device backend calls that first (backend/cuda/runtime.hpp).
#ifndef CHAINRULE_BACKEND_DEVICE_VENDOR_GEMM_HPP
#define CHAINRULE_BACKEND_DEVICE_VENDOR_GEMM_HPP

#include <concepts>
#include <optional>

#include "chainrule/backend/concept.hpp"
#include "chainrule/backend/device/runtime.hpp"
#include "chainrule/pointwise/activations.hpp"

namespace chainrule::device {

/// What libraries can apply to a product before they store it.
enum class vendor_epilogue : unsigned char { none, relu, gelu_tanh };

/// The library's epilogue that is equal to a functor; nothing if there is none.
template <class F>
inline constexpr std::optional<vendor_epilogue> vendor_epilogue_of = std::nullopt;
template <>
inline constexpr std::optional<vendor_epilogue> vendor_epilogue_of<fn::identity> =
    vendor_epilogue::none;
template <>
inline constexpr std::optional<vendor_epilogue> vendor_epilogue_of<relu> = vendor_epilogue::relu;
template <>
inline constexpr std::optional<vendor_epilogue> vendor_epilogue_of<gelu_tanh> =
    vendor_epilogue::gelu_tanh;
template <class F>
inline constexpr std::optional<vendor_epilogue> vendor_epilogue_of<add_bias_then<F>> =
    vendor_epilogue_of<F>;

/// A factor or the result of a product: a row-major matrix whose rows lie `stride` elements apart,
/// and in a batch the next one `step` elements behind it.
template <class Buffer, class T>
struct vendor_matrix {
  device_pointer<Buffer, T> data;
  index_t stride = 0;
  bool transposed = false;
  index_t step = 0;
};

/// c = epilogue(alpha op(a) op(b) + beta c + bias); c: rows x cols, bias: 1 x cols or none (a
/// default value). With beta = 0, c is not read. A batch has neither bias nor epilogue.
template <class Buffer, class T>
struct vendor_gemm {
  index_t rows = 0;
  index_t cols = 0;
  index_t inner = 0;
  index_t count = 1;
  T alpha = 1;
  T beta = 0;
  vendor_matrix<Buffer, T> c;
  vendor_matrix<Buffer, const T> a;
  vendor_matrix<Buffer, const T> b;
  device_pointer<Buffer, const T> bias;
  vendor_epilogue epilogue = vendor_epilogue::none;

  [[nodiscard]] bool has_bias() const { return bias.buffer != Buffer{}; }
};

/// A runtime with a library for products.
template <class Runtime, class T>
concept multiplies = requires(Runtime& r, const vendor_gemm<typename Runtime::buffer, T>& p) {
  { r.multiply(p) } -> std::same_as<bool>;
};

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_VENDOR_GEMM_HPP
