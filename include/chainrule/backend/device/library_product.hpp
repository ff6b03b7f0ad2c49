/// \file
/// A product of matrices as BLAS libraries take it, and which epilogues of gemm they know.
///
/// A runtime whose API has such a library offers
///
///     template <class T>
///     bool multiply(const library_product<buffer, T>&);   // false: not done, use the kernel's
///     text
///
/// and the device backend asks it first (backend/cuda/runtime.hpp).
#ifndef CHAINRULE_BACKEND_DEVICE_LIBRARY_PRODUCT_HPP
#define CHAINRULE_BACKEND_DEVICE_LIBRARY_PRODUCT_HPP

#include <concepts>
#include <optional>

#include "chainrule/backend/concept.hpp"
#include "chainrule/backend/device/runtime.hpp"
#include "chainrule/pointwise/activations.hpp"

namespace chainrule::device {

/// What libraries can do with a product before they store it.
enum class library_epilogue : unsigned char { none, relu, gelu_tanh };

/// A functor as a library's epilogue: nothing if libraries do not have it.
template <class F>
inline constexpr std::optional<library_epilogue> library_epilogue_of = std::nullopt;
template <>
inline constexpr std::optional<library_epilogue> library_epilogue_of<fn::identity> =
    library_epilogue::none;
template <>
inline constexpr std::optional<library_epilogue> library_epilogue_of<relu> = library_epilogue::relu;
template <>
inline constexpr std::optional<library_epilogue> library_epilogue_of<gelu_tanh> =
    library_epilogue::gelu_tanh;
template <class F>
inline constexpr std::optional<library_epilogue> library_epilogue_of<add_bias_then<F>> =
    library_epilogue_of<F>;

/// A factor or the result of a product: a row-major matrix whose rows lie `stride` elements apart,
/// and in a batch the next one `step` elements behind it.
template <class Buffer, class T>
struct library_matrix {
  device_pointer<Buffer, T> data;
  index_t stride = 0;
  bool transposed = false;
  index_t step = 0;
};

/// c = epilogue(alpha op(a) op(b) + beta c + bias); c: rows x cols, bias: 1 x cols or none (a
/// default value). With beta = 0, c is not read. A batch has neither bias nor epilogue.
template <class Buffer, class T>
struct library_product {
  index_t rows = 0;
  index_t cols = 0;
  index_t inner = 0;
  index_t count = 1;
  T alpha = 1;
  T beta = 0;
  library_matrix<Buffer, T> c;
  library_matrix<Buffer, const T> a;
  library_matrix<Buffer, const T> b;
  device_pointer<Buffer, const T> bias;
  library_epilogue epilogue = library_epilogue::none;

  [[nodiscard]] bool has_bias() const { return bias.buffer != Buffer{}; }
};

/// A runtime with a library for products.
template <class Runtime, class T>
concept multiplies = requires(Runtime& r, const library_product<typename Runtime::buffer, T>& p) {
  { r.multiply(p) } -> std::same_as<bool>;
};

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_LIBRARY_PRODUCT_HPP
