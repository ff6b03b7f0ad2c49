/// \file
/// The layers of a `static_network` (network/static_network.hpp) over lanes: extents are constants,
/// a lane holds one feature of several samples, and all intermediate results lie on the stack.
#ifndef CHAINRULE_NETWORK_STATIC_LAYERS_HPP
#define CHAINRULE_NETWORK_STATIC_LAYERS_HPP

#include <array>
#include <cstddef>
#include <numeric>
#include <tuple>
#include <type_traits>
#include <utility>

#include "chainrule/backend/cpu/lane_layout.hpp"
#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/pointwise/plain.hpp"

namespace chainrule::detail {

/// What a static network knows of a layer.
template <class Layer>
struct static_layer {
  static constexpr bool is_supported = false;
  static constexpr index_t weights = 0;
  static constexpr index_t biases = 0;
};
template <index_t Inputs, index_t Outputs, class F>
requires(Inputs != dynamic) struct static_layer<dense<Inputs, Outputs, F>> {
  static constexpr bool is_supported = true;
  static constexpr index_t weights = Inputs * Outputs;
  static constexpr index_t biases = Outputs;
};
template <class F>
struct static_layer<activation<F>> : static_layer<void> {
  static constexpr bool is_supported = true;
};

/// The inputs of the first layer, and 0 if it does not state them.
template <class First, class... More>
[[nodiscard]] consteval index_t first_static_inputs() {
  if constexpr (requires { First::static_inputs; })
    return First::static_inputs;
  else
    return 0;
}

/// Where the parameters of a static network lie: the weights of all layers, then all biases. What
/// lies between them is 0.
template <class... Layers>
struct static_layout {
  static constexpr std::size_t depth = sizeof...(Layers);
  static constexpr index_t alignment = 8;  // of a layer's parameters, in elements
  static constexpr index_t widest = 16;    // elements of the widest lane of floats

  std::array<index_t, depth + 1> features{};  // before and behind each layer
  std::array<index_t, depth> weights{};       // offsets
  std::array<index_t, depth> biases{};
  // Elements of each layer's parameters.
  std::array<std::size_t, depth> weight_counts{
      static_cast<std::size_t>(static_layer<Layers>::weights)...};
  std::array<std::size_t, depth> bias_counts{
      static_cast<std::size_t>(static_layer<Layers>::biases)...};
  index_t all_weights = 0;  // elements, a multiple of `widest`
  index_t all = 0;
  index_t parameters = 0;  // without those between them

  constexpr static_layout() {
    features[0] = first_static_inputs<Layers...>();
    [&]<std::size_t... L>(std::index_sequence<L...>) {
      (add_weights<L, Layers>(), ...);
      all = all_weights = rounded(all, widest);
      (add_biases<L, Layers>(), ...);
      all = rounded(all, widest);
    }
    (std::index_sequence_for<Layers...>{});
  }

 private:
  [[nodiscard]] static constexpr index_t rounded(index_t n, index_t to) {
    return (n + to - 1) / to * to;
  }
  template <std::size_t L, class Layer>
  constexpr void add_weights() {
    features[L + 1] = features[L];
    if constexpr (requires { Layer::static_outputs; }) features[L + 1] = Layer::static_outputs;
    weights[L] = all;
    all += rounded(static_layer<Layer>::weights, alignment);
    parameters += static_layer<Layer>::weights + static_layer<Layer>::biases;
  }
  template <std::size_t L, class Layer>
  constexpr void add_biases() {
    biases[L] = all;
    all += rounded(static_layer<Layer>::biases, alignment);
  }
};

CHAINRULE_CPU_BEGIN

/// Calls f(first, std::index_sequence<0, 1, ...>) for tiles of `Tile` of `Count` indices; the last
/// may be shorter.
template <index_t Count, index_t Tile, class F>
CHAINRULE_FLAT constexpr void each_tile(const F& f) {
  index_t i = 0;
  for (; i + Tile <= Count; i += Tile)
    f(i, std::make_index_sequence<static_cast<std::size_t>(Tile)>{});
  if constexpr (Count % Tile != 0)
    f(i, std::make_index_sequence<static_cast<std::size_t>(Count % Tile)>{});
}

/// a b + c
template <class X>
[[nodiscard]] CHAINRULE_FLAT constexpr X static_multiply_add(const X& a, const X& b, const X& c) {
  if constexpr (requires { X::width; })
    return math::lanes::multiply_add(a, b, c);
  else
    return a * b + c;
}

/// y[j] = begin(j) + Σ_k w[k * RowStep + j * ColumnStep] x[k] for Count values of j and Length of
/// k.
template <index_t Length, index_t Count, index_t RowStep, index_t ColumnStep, class X, class T,
          class Begin>
CHAINRULE_FLAT constexpr void static_product(const T* w, const X* x, X* y, const Begin& begin) {
  each_tile<Count, 8>([&]<std::size_t... J>(index_t first,
                                            std::index_sequence<J...>) CHAINRULE_FLAT {
    X sum[] = {begin(first + static_cast<index_t>(J))...};
    const T* row = w + first * ColumnStep;
    for (index_t k = 0; k < Length; ++k, row += RowStep) {
      const X xk = x[k];
      ((sum[J] = static_multiply_add(X(row[static_cast<index_t>(J) * ColumnStep]), xk, sum[J])),
       ...);
    }
    ((y[first + static_cast<index_t>(J)] = sum[J]), ...);
  });
}

/// Adds to g[k] the sum across lane k of the first `Count` lanes that product(k) gives, and 0 to
/// the rest of a whole lane.
template <index_t Count, class X, class T, class Product>
CHAINRULE_FLAT void add_sums_across(T* g, const Product& product) {
  [&]<std::size_t... K>(std::index_sequence<K...>) CHAINRULE_FLAT {
    const auto one = [&]<std::size_t At>(std::integral_constant<std::size_t, At>) CHAINRULE_FLAT {
      if constexpr (static_cast<index_t>(At) < Count)
        return X(product(std::integral_constant<index_t, static_cast<index_t>(At)>{}));
      else
        return X(0);
    };
    X lanes[] = {one(std::integral_constant<std::size_t, K>{})...};
    X(X::load(g) + sums_across(lanes)).store(g);
  }
  (std::make_index_sequence<static_cast<std::size_t>(X::width)>{});
}

/// Adds Σ over samples of x[i] dz[j] to g[i * Outputs + j].
template <index_t Inputs, index_t Outputs, class X, class T>
CHAINRULE_FLAT void add_static_outer_product(T* g, const X* x, const X* dz) {
  if constexpr (Outputs <= X::width) {
    // So many inputs that their products fill whole lanes.
    constexpr index_t rows = X::width / std::gcd(X::width, Outputs);
    each_tile<Inputs, rows>([&]<std::size_t... I>(index_t first,
                                                  std::index_sequence<I...>) CHAINRULE_FLAT {
      constexpr index_t products = static_cast<index_t>(sizeof...(I)) * Outputs;
      [&]<std::size_t... G>(std::index_sequence<G...>) CHAINRULE_FLAT {
        const auto group =
            [&]<index_t Begin>(std::integral_constant<index_t, Begin>) CHAINRULE_FLAT {
              constexpr index_t count = products - Begin < X::width ? products - Begin : X::width;
              add_sums_across<count, X>(g + first * Outputs + Begin, [&](auto k) CHAINRULE_FLAT {
                return x[first + (Begin + k) / Outputs] * dz[(Begin + k) % Outputs];
              });
            };
        (group(std::integral_constant<index_t, static_cast<index_t>(G) * X::width>{}), ...);
      }
      (std::make_index_sequence<static_cast<std::size_t>((products + X::width - 1) / X::width)>{});
    });
  } else {
    for (index_t i = 0; i < Inputs; ++i) {
      const X xi = x[i];
      each_tile<Outputs, X::width>([&]<std::size_t... J>(index_t first,
                                                         std::index_sequence<J...>) CHAINRULE_FLAT {
        add_sums_across<static_cast<index_t>(sizeof...(J)), X>(
            g + i * Outputs + first, [&](auto k) CHAINRULE_FLAT { return xi * dz[first + k]; });
      });
    }
  }
}

/// Assigns y, and z where the derivative of f needs it.
template <index_t In, class T, class X, index_t Inputs, index_t Outputs, class F>
CHAINRULE_FLAT constexpr void static_forward(const dense<Inputs, Outputs, F>& layer, const T* w,
                                             const T* b, const X* x, X* z, X* y) {
  static_product<In, Outputs, Outputs, 1>(w, x, z,
                                          [&](index_t j) CHAINRULE_FLAT { return X(b[j]); });
  for (index_t j = 0; j < Outputs; ++j) y[j] = math::convert<X>(layer.function()(z[j]));
}
template <index_t In, class T, class X, class F>
CHAINRULE_FLAT constexpr void static_forward(const activation<F>& layer, const T*, const T*,
                                             const X* x, X*, X* y) {
  for (index_t j = 0; j < In; ++j) y[j] = math::convert<X>(layer.function()(x[j]));
}

/// dy[j] becomes dy[j] f'.
template <index_t Count, class X, class F>
CHAINRULE_FLAT void static_derivative(const F& f, const X* argument, const X* y, X* dy) {
  if constexpr (!std::same_as<F, identity>)
    for (index_t j = 0; j < Count; ++j)
      dy[j] = backward_of<F>{f}(dy[j], derivable_from_output<F> ? y[j] : argument[j]);
}

/// Adds the gradients of the parameters to dw and db, assigns dx if it is wanted and overwrites dy.
template <index_t In, bool Wanted, class T, class X, index_t Inputs, index_t Outputs, class F>
CHAINRULE_FLAT void static_backward(const dense<Inputs, Outputs, F>& layer, const T* w, T* dw,
                                    T* db, const X* x, const X* z, const X* y, X* dy, X* dx) {
  static_derivative<Outputs>(layer.function(), z, y, dy);
  if constexpr (Wanted)
    static_product<Outputs, In, 1, Outputs>(w, static_cast<const X*>(dy), dx,
                                            [](index_t) CHAINRULE_FLAT { return X(0); });
  add_static_outer_product<In, Outputs>(dw, x, static_cast<const X*>(dy));
  each_tile<Outputs, X::width>([&]<std::size_t... J>(index_t first,
                                                     std::index_sequence<J...>) CHAINRULE_FLAT {
    add_sums_across<static_cast<index_t>(sizeof...(J)), X>(
        db + first, [&](auto k) CHAINRULE_FLAT { return dy[first + k]; });
  });
}
template <index_t In, bool Wanted, class T, class X, class F>
CHAINRULE_FLAT void static_backward(const activation<F>& layer, const T*, T*, T*, const X* x,
                                    const X*, const X* y, X* dy, X* dx) {
  static_derivative<In>(layer.function(), x, y, dy);
  if constexpr (Wanted)
    for (index_t j = 0; j < In; ++j) dx[j] = dy[j];
}

/// The passes of layers L, L + 1, ...: forward on the way to the loss, which is called with the
/// output and assigns its gradient, and backward on the way back.
template <class Layout, std::size_t L, bool Wanted, class T, class X, class Specs, class Loss>
CHAINRULE_FLAT void static_passes(const Specs& specs, const T* values, T* gradients, const X* x,
                                  X* dx, const Loss& loss) {
  constexpr Layout layout;
  constexpr index_t in = layout.features[L];
  constexpr auto out = static_cast<std::size_t>(layout.features[L + 1]);
  const auto& layer = std::get<L>(specs);
  X z[out];
  X y[out];
  X dy[out];
  static_forward<in>(layer, values + layout.weights[L], values + layout.biases[L], x, z, y);
  if constexpr (L + 1 == Layout::depth)
    loss(static_cast<const X*>(y), static_cast<X*>(dy));
  else
    static_passes<Layout, L + 1, true>(specs, values, gradients, static_cast<const X*>(y),
                                       static_cast<X*>(dy), loss);
  static_backward<in, Wanted>(layer, values + layout.weights[L], gradients + layout.weights[L],
                              gradients + layout.biases[L], x, static_cast<const X*>(z),
                              static_cast<const X*>(y), static_cast<X*>(dy), dx);
}

/// Calls use(output) behind the forward passes of layers L, L + 1, ...
template <class Layout, std::size_t L = 0, class T, class X, class Specs, class Use>
CHAINRULE_FLAT constexpr void static_outputs(const Specs& specs, const T* values, const X* x,
                                             const Use& use) {
  constexpr Layout layout;
  constexpr auto out = static_cast<std::size_t>(layout.features[L + 1]);
  X z[out];
  X y[out];
  static_forward<layout.features[L]>(std::get<L>(specs), values + layout.weights[L],
                                     values + layout.biases[L], x, z, y);
  if constexpr (L + 1 == Layout::depth)
    use(static_cast<const X*>(y));
  else
    static_outputs<Layout, L + 1>(specs, values, static_cast<const X*>(y), use);
}

/// The bytes of the smallest lane that holds `count` numbers of type T, or Bytes if there is none.
template <class T, int Bytes>
[[nodiscard]] consteval int lane_bytes_for(index_t count) {
  int bytes = math::portable_bytes;
  while (bytes < Bytes && bytes < static_cast<index_t>(sizeof(T)) * count) bytes *= 2;
  return bytes;
}

/// Assigns y = f(x W + b) for one sample, in lanes of outputs. What y has behind its last whole
/// lane is assigned too. Reads up to a lane behind w and b.
template <index_t In, int Bytes, class T, index_t Inputs, index_t Outputs, class F>
CHAINRULE_FLAT void static_row(const dense<Inputs, Outputs, F>& layer, const T* w, const T* b,
                               const T* x, T* y) {
  using X = math::lane<T, lane_bytes_for<T, Bytes>(Outputs)>;
  constexpr index_t lanes = (Outputs + X::width - 1) / X::width;
  // Several partial sums for each output where few lanes would wait for one another.
  constexpr index_t parts = In < 4 ? 1 : (lanes == 1 ? 4 : (lanes == 2 ? 2 : 1));
  each_tile<lanes, 8>([&]<std::size_t... J>(index_t tile,
                                            std::index_sequence<J...>) CHAINRULE_FLAT {
    const index_t first = tile * X::width;
    const auto add = [&](X* sum, index_t i) CHAINRULE_FLAT {
      const X xi(x[i]);
      const T* row = w + i * Outputs + first;
      ((sum[J] =
            static_multiply_add(X::load(row + static_cast<index_t>(J) * X::width), xi, sum[J])),
       ...);
    };
    X sum[] = {X::load(b + first + static_cast<index_t>(J) * X::width)...};
    if constexpr (parts == 1) {
      for (index_t i = 0; i < In; ++i) add(sum, i);
    } else {
      X more[static_cast<std::size_t>(parts - 1)][sizeof...(J)];
      for (auto& m : more) ((m[J] = X(0)), ...);
      each_tile<In, parts>([&]<std::size_t... P>(index_t i,
                                                 std::index_sequence<P...>) CHAINRULE_FLAT {
        (add(P == 0 ? sum : more[P == 0 ? 0 : P - 1], i + static_cast<index_t>(P)), ...);
      });
      for (const auto& m : more) ((sum[J] = sum[J] + m[J]), ...);
    }
    (math::convert<X>(layer.function()(sum[J]))
         .store(y + first + static_cast<index_t>(J) * X::width),
     ...);
  });
}
template <index_t In, int Bytes, class T, class F>
CHAINRULE_FLAT void static_row(const activation<F>& layer, const T*, const T*, const T* x, T* y) {
  using X = math::lane<T, lane_bytes_for<T, Bytes>(In)>;
  for (index_t j = 0; j < In; j += X::width)
    math::convert<X>(layer.function()(X::load(x + j))).store(y + j);
}

/// Calls use(output) behind the layers L, L + 1, ... for one sample.
template <class Layout, int Bytes, std::size_t L = 0, class T, class Specs, class Use>
CHAINRULE_FLAT void static_rows(const Specs& specs, const T* values, const T* x, const Use& use) {
  constexpr Layout layout;
  constexpr index_t in = layout.features[L];
  T y[static_cast<std::size_t>(layout.features[L + 1] + Layout::widest)];
  static_row<in, Bytes>(std::get<L>(specs), values + layout.weights[L], values + layout.biases[L],
                        x, y);
  if constexpr (L + 1 == Layout::depth)
    use(static_cast<const T*>(y));
  else
    static_rows<Layout, Bytes, L + 1>(specs, values, static_cast<const T*>(y), use);
}

/// Assigns to[j] element j of each row, a row per element of the lane.
template <index_t Count, class X, class T>
CHAINRULE_FLAT void load_columns(const T* const* rows, X* to) {
  each_tile<Count, X::width>([&]<std::size_t... J>(index_t first,
                                                   std::index_sequence<J...>) CHAINRULE_FLAT {
    if constexpr (sizeof...(J) == X::width) {
      X lanes[] = {X::load(rows[J] + first)...};
      transpose_block(lanes);
      ((to[first + static_cast<index_t>(J)] = lanes[J]), ...);
    } else {
      const auto column = [&]<std::size_t... S>(index_t j, std::index_sequence<S...>)
          CHAINRULE_FLAT {
        return X(typename X::vector{rows[S][j]...});
      };
      ((to[first + static_cast<index_t>(J)] =
            column(first + static_cast<index_t>(J), std::make_index_sequence<X::width>{})),
       ...);
    }
  });
}

CHAINRULE_CPU_END

}  // namespace chainrule::detail

#endif  // CHAINRULE_NETWORK_STATIC_LAYERS_HPP
