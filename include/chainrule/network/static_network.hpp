/// \file
/// `static_network`: a network whose extents are all in its type, for networks so small that a
/// call of a verb takes longer than the arithmetic.
///
///     static_network net{dense<10, 3, fn::sigmoid>{}, dense<3, 2, fn::sigmoid>{}};
///     net.initialize(7);                          // the weights that network has for this seed
///     std::array<float, 2> y = net.predict(x);    // no allocation, lock or system call
///     static_network<double, dense<2, 4, relu>, dense<4, 1>> exact;
///
/// The layers are those of `network`: `dense` with its extents in the type, and `activation`.
/// Parameters lie in the object, so that a network can be a constant of the program, and are
/// exchanged with networks of the same layers (`to`, `assign`) and with their files of weights
/// (`save_weights` and `load_weights` of io/weights.hpp). Inputs and intermediate results of a call
/// lie on the stack, once for each element of a lane.
///
/// See also train/static_trainer.hpp (training), io/header_export.hpp (headers without the
/// library).
#ifndef CHAINRULE_NETWORK_STATIC_NETWORK_HPP
#define CHAINRULE_NETWORK_STATIC_NETWORK_HPP

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/network/static_layers.hpp"

namespace chainrule {

namespace detail {

/// Refuses a layer, which the compiler names, that a static network does not take.
template <class Layer>
struct layer_of_static_network {
  static_assert(static_layer<Layer>::is_supported,
                "chainrule: a static_network takes dense layers with extents in their types "
                "(dense<10, 3, relu>) and activations, not this layer; use network");
  static constexpr bool value = true;
};

}  // namespace detail

CHAINRULE_CPU_BEGIN

/// A network of these layers over the scalar T, all in one object without pointers.
template <class T, class... Layers>
class static_network {
  static_assert(std::is_floating_point_v<T> && sizeof(T) <= 8,
                "chainrule: the scalar of a static_network is float or double");
  static_assert(sizeof...(Layers) > 0, "chainrule: a network needs at least one layer");
  static_assert((detail::layer_of_static_network<Layers>::value && ...));
  static_assert(detail::extents_agree<Layers...>(),
                "chainrule: a layer expects another number of features than the layer before it "
                "produces; compare the extents in the types of neighbouring layers");
  static_assert(detail::first_static_inputs<Layers...>() > 0,
                "chainrule: a static_network begins with a dense layer, which says how many inputs "
                "there are");

 public:
  /// The type of parameters, inputs and outputs.
  using scalar = T;
  /// The type of `places`.
  using layout = detail::static_layout<Layers...>;
  /// Where the parameters lie.
  static constexpr layout places{};
  /// Number of layers.
  static constexpr std::size_t depth = sizeof...(Layers);
  /// Features of a sample.
  static constexpr index_t inputs = places.features[0];
  /// Features of an output.
  static constexpr index_t outputs = places.features[depth];
  /// The number of elements of all parameters.
  static constexpr index_t parameter_count = places.parameters;

  /// Copies of these layers with parameters that are all 0: assign others before training.
  constexpr explicit static_network(const Layers&... layers) : layers_(layers...) {}
  /// The layers as their types construct them.
  constexpr static_network() requires(std::is_default_constructible_v<Layers>&&...)
      : static_network(Layers{}...) {}

  /// W of layer L, inputs × outputs, row by row; empty for layers without weights.
  template <std::size_t L>
  [[nodiscard]] constexpr auto weights() {
    return std::span<T, places.weight_counts[L]>(values_.data() + places.weights[L],
                                                 places.weight_counts[L]);
  }
  /// W of layer L, constant.
  template <std::size_t L>
  [[nodiscard]] constexpr auto weights() const {
    return std::span<const T, places.weight_counts[L]>(values_.data() + places.weights[L],
                                                       places.weight_counts[L]);
  }
  /// b of layer L.
  template <std::size_t L>
  [[nodiscard]] constexpr auto biases() {
    return std::span<T, places.bias_counts[L]>(values_.data() + places.biases[L],
                                               places.bias_counts[L]);
  }
  /// b of layer L, constant.
  template <std::size_t L>
  [[nodiscard]] constexpr auto biases() const {
    return std::span<const T, places.bias_counts[L]>(values_.data() + places.biases[L],
                                                     places.bias_counts[L]);
  }

  /// Initializes the parameters, to the values that a network of these layers has for this seed.
  /// Allocates.
  void initialize(std::uint64_t seed) {
    std::uint64_t stream = 0;
    each_layer([&]<std::size_t L>(std::integral_constant<std::size_t, L>) {
      if constexpr (places.weight_counts[L] > 0) {
        const auto& layer = std::get<L>(layers_);
        constexpr index_t in = places.features[L];
        constexpr index_t out = places.features[L + 1];
        std::vector<double> w(places.weight_counts[L]);
        std::vector<double> b(places.bias_counts[L]);
        random_stream for_weights(seed, stream++);
        random_stream for_biases(seed, stream++);
        layer.initial_weights().fill({w.data(), in, out}, in, out, for_weights);
        layer.initial_biases().fill({b.data(), 1, out}, 1, out, for_biases);
        round_to(w, weights<L>());
        round_to(b, biases<L>());
      }
    });
  }

  /// The outputs for one sample. Allocates and locks nothing; the first call in the program
  /// chooses the instruction set, and throws as chosen_isa does. In constant expressions as far as
  /// the activations allow it.
  [[nodiscard]] constexpr std::array<T, static_cast<std::size_t>(outputs)> predict(
      std::span<const T, static_cast<std::size_t>(inputs)> x) const {
    std::array<T, static_cast<std::size_t>(outputs)> y{};
    if (std::is_constant_evaluated()) {
      using X = math::plain<T>;
      std::array<X, static_cast<std::size_t>(inputs)> in{};
      std::copy(x.begin(), x.end(), in.begin());
      detail::static_outputs<layout>(layers_, values_.data(), static_cast<const X*>(in.data()),
                                     [&](const X* out) {
                                       for (T& value : y) value = (out++)->value;
                                     });
    } else {
      predict_row(x.data(), y.data());
    }
    return y;
  }
  /// The outputs for one sample.
  [[nodiscard]] constexpr std::array<T, static_cast<std::size_t>(outputs)> predict(
      const std::array<T, static_cast<std::size_t>(inputs)>& x) const {
    return predict(std::span<const T, static_cast<std::size_t>(inputs)>(x));
  }
  /// Assigns the outputs for a row per sample to the rows of y. Allocates nothing. Throws
  /// shape_error.
  void predict(matrix_view<const T> x, matrix_view<T> y) const {
    if (x.cols() != inputs || y.cols() != outputs || x.rows() != y.rows())
      detail::fail<shape_error>("a static_network of ", inputs, " inputs and ", outputs,
                                " outputs has no outputs of ", to_string(y.shape()),
                                " for samples of ", to_string(x.shape()));
    if (x.rows() > 0) predict_rows(x, y);
  }

  /// A network of the same layers with the same parameters.
  template <backend B>
  [[nodiscard]] network<B, Layers...> to(const B& be) const {
    auto made =
        std::apply([&](const auto&... l) { return network<B, Layers...>(be, l...); }, layers_);
    std::vector<scalar_t<B>> rounded;
    each_parameter(
        [&](const std::string& name, auto values, const shape& extents) {
          rounded.assign(values.begin(), values.end());
          be.upload(made.values(name),
                    matrix_view<const scalar_t<B>>(rounded.data(), extents[0], extents[1]));
          be.synchronize();  // `rounded` is written again
        },
        *this);
    return made;
  }
  /// Copies the parameters of a network with the same layers. Throws shape_error if its parameters
  /// are others.
  template <backend B>
  void assign(const network<B>& other) {
    const auto& theirs = other.parameter_list();
    std::size_t next = 0;
    std::string mine;
    const auto require = [&](const std::string& name, auto, const shape& extents) {
      const bool is_there = next < theirs.size();
      if (!is_there || theirs[next].name != name || theirs[next].extents != extents)
        detail::fail<shape_error>("parameter ", name, " is ", to_string(extents),
                                  is_there ? detail::concat(", that to take is ", theirs[next].name,
                                                            " of ", to_string(theirs[next].extents))
                                           : std::string(", the other network has none"));
      ++next;
    };
    each_parameter(require, *this);
    if (next != theirs.size())
      detail::fail<shape_error>("a network of ", next, " parameters cannot take those of one with ",
                                theirs.size());
    next = 0;
    each_parameter(
        [&](const std::string&, auto values, const shape&) {
          const auto from = to_host(other.backend(), other.parameters()[theirs[next++].place]);
          round_to(from, values);
        },
        *this);
  }

  // For static_trainer.

  /// All parameters and what lies between them, as `layout` has it.
  [[nodiscard]] constexpr T* data() { return values_.data(); }
  /// All parameters, constant.
  [[nodiscard]] constexpr const T* data() const { return values_.data(); }
  /// The layers.
  [[nodiscard]] constexpr const std::tuple<Layers...>& layers() const { return layers_; }

 private:
  template <class F>
  static constexpr void each_layer(const F& f) {
    [&]<std::size_t... L>(std::index_sequence<L...>) {
      (f(std::integral_constant<std::size_t, L>{}), ...);
    }
    (std::make_index_sequence<depth>{});
  }
  /// f(name, values, extents) for each parameter, in the order of network::parameter_list.
  template <class F, class Self>
  static void each_parameter(const F& f, Self& self) {
    each_layer([&]<std::size_t L>(std::integral_constant<std::size_t, L>) {
      if constexpr (places.weight_counts[L] > 0) {
        constexpr index_t out = places.features[L + 1];
        f(detail::concat(L, ".weight"), self.template weights<L>(), shape{places.features[L], out});
        f(detail::concat(L, ".bias"), self.template biases<L>(), shape{1, out});
      }
    });
  }
  template <class From, class To>
  static void round_to(const From& from, const To& to) {
    std::transform(from.begin(), from.end(), to.begin(),
                   [](const auto& x) { return static_cast<T>(x); });
  }

  void predict_row(const T* x, T* y) const {
    detail::with_lanes(chosen_isa(), [&](auto bytes) CHAINRULE_FLAT {
      detail::static_rows<layout, bytes>(layers_, values_.data(), x,
                                         [&](const T* out) CHAINRULE_FLAT {
                                           for (index_t j = 0; j < outputs; ++j) y[j] = out[j];
                                         });
    });
  }
  void predict_rows(matrix_view<const T> x, matrix_view<T> y) const {
    detail::with_lanes(chosen_isa(), [&](auto bytes) CHAINRULE_FLAT {
      using X = math::lane<T, bytes>;
      X in[static_cast<std::size_t>(inputs)];
      std::array<const T*, static_cast<std::size_t>(X::width)> rows;
      for (index_t first = 0; first < x.rows(); first += X::width) {
        for (index_t s = 0; s < X::width; ++s)
          rows[static_cast<std::size_t>(s)] =
              x.data() + std::min(first + s, x.rows() - 1) * x.stride();
        detail::load_columns<inputs>(rows.data(), in);
        detail::static_outputs<layout>(layers_, values_.data(), static_cast<const X*>(in),
                                       [&](const X* out) CHAINRULE_FLAT {
                                         T column[static_cast<std::size_t>(X::width)];
                                         const index_t count = std::min(X::width, x.rows() - first);
                                         for (index_t j = 0; j < outputs; ++j) {
                                           out[j].store(column);
                                           for (index_t s = 0; s < count; ++s)
                                             y(first + s, j) = column[s];
                                         }
                                       });
      }
    });
  }

  std::tuple<Layers...> layers_;
  // A lane may be read from the last parameter on.
  alignas(64) std::array<T, static_cast<std::size_t>(places.all + layout::widest)> values_{};
};

template <class... Layers>
static_network(Layers...) -> static_network<float, Layers...>;

/// Writes the parameters as the file of weights of a network of the same layers; include
/// io/weights.hpp. Throws as save_weights of a network does.
template <class T, class... Layers>
void save_weights(const static_network<T, Layers...>& net, const std::string& path) {
  save_weights(net.to(basic_cpu<T>{1}), path, {});
}

/// Reads the parameters from the file of weights of a network of the same layers; include
/// io/weights.hpp. Throws as load_weights of a network does, and changes nothing then.
template <class T, class... Layers>
void load_weights(static_network<T, Layers...>& net, const std::string& path) {
  auto read = net.to(basic_cpu<T>{1});
  load_weights(read, path, {});
  net.assign(read);
}

CHAINRULE_CPU_END
}  // namespace chainrule

#endif  // CHAINRULE_NETWORK_STATIC_NETWORK_HPP
