// Rows of the table of gradients: every layer, in the middle of a network, and every rule of first
// weights. (Activations have rows of their own.)
#include "chainrule/autodiff/autodiff.hpp"
#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/batch_norm.hpp"
#include "chainrule/layers/convolution.hpp"
#include "chainrule/layers/dense_block.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/layers/embedding.hpp"
#include "chainrule/layers/group_norm.hpp"
#include "chainrule/layers/layer_norm.hpp"
#include "chainrule/layers/local_response_norm.hpp"
#include "chainrule/layers/pooling.hpp"
#include "chainrule/layers/prelu.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/layers/resizing.hpp"
#include "chainrule/layers/sequence.hpp"
#include "chainrule/layers/shortcut.hpp"
#include "chainrule/layers/tags.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "gradients/network_row.hpp"

namespace layers_test {

using namespace gradients;

namespace {

const batch_point point{rounded(spread(7, 5, 1, -2, 2)), rounded(spread(7, 3, 2))};
const dense<dynamic, dynamic, fn::tanh> first = dense{5, 9, fn::tanh{}}.bias(init::uniform(-1, 1));
const dense<> last{7, 3};

template <class Make>
void row(const std::string& name, const Make& make, const batch_point& at = point) {
  network_row("layers", name, make, quadratic_cost{}, at);
}

}  // namespace

TEST_CASE("layers", "[gradients][networks]") {
  row("dense", []<class B>(const B&) {
    return specs<B>{first, dense{9, 7}.bias(init::uniform(-1, 1)), last};
  });
  row("dense, extents in the type", []<class B>(const B&) {
    return specs<B>{first, dense<9, 7, fn::softplus>{}, dense<7, 3>{}};
  });
  row("activation", []<class B>(const B&) {
    return specs<B>{first, dense{9, 7}, activation{fn::softplus{}}, last};
  });
  row("input", []<class B>(const B&) {
    return specs<B>{input{5}, first, dense{7}.bias(init::uniform(-1, 1)), last};
  });
  row("reshape_to", []<class B>(const B&) {
    return specs<B>{first, reshape_to{3, 3}, dense{4, fn::tanh{}}, flatten{}, dense{3}};
  });
  row("flatten", []<class B>(const B&) {
    return specs<B>{reshape_to{5, 1}, dense{2, fn::tanh{}}, flatten{}, dense{3}};
  });
  row("sequence", []<class B>(const B&) {
    return specs<B>{first, sequence{dense{8, gelu{}}, sequence{dense{6, fn::sigmoid{}}, dense{7}}},
                    last};
  });
  row("residual", []<class B>(const B&) {
    return specs<B>{first, residual{dense{6, gelu{}}, residual{dense{6, fn::sigmoid{}}}, dense{9}},
                    residual{dense{9, fn::sigmoid{}}}, dense{3}};
  });
  row("concat", []<class B>(const B&) {
    return specs<B>{first, concat{dense{3, gelu{}}, residual{dense{9, fn::sigmoid{}}}, dense{2}},
                    dense{3}};
  });
  row("repeat", []<class B>(const B&) {
    return specs<B>{first, repeat{3, residual{dense{9, fn::sigmoid{}}}}, dense{3}};
  });
  row("frozen", []<class B>(const B&) {
    return specs<B>{first, frozen{residual{dense{9, gelu{}}}}, dense{3}};
  });
  row("in_group", []<class B>(const B&) {
    return specs<B>{first, in_group{1, dense{9, 7, gelu{}}.bias(init::uniform(-1, 1))}, last};
  });
  batch_point indices = point;
  for (std::int32_t i = 0; i < 35; ++i) indices.indices.push_back(i * i % 7 - 1);  // padding too
  row(
      "embedding",
      []<class B>(const B&) {
        return specs<B>{input{5}, embedding{6, 4}, dense{2, fn::tanh{}}, flatten{}, dense{3}};
      },
      indices);
  // 6 x 4 x 2 in the middle of a network, behind layers that have gradients.
  const auto images = []<class B, class... Layers>(const B&, const Layers&... layers) {
    return specs<B>{reshape_to{5, 1, 1},
                    conv_transpose2d{2, {2, 4}, gelu{}}.bias(init::uniform(-1, 1)), layers...,
                    flatten{}, dense{3}};
  };
  row("conv2d", [&]<class B>(const B& be) {
    return images(be, conv2d{3, {3, 2}, fn::tanh{}, {.stride = {2, 1}, .pad = 1}},
                  conv2d{4, 2, gelu{}, {.pad = same, .dilation = 2}}.bias(init::uniform(-1, 1)),
                  conv2d{8, 1, {.groups = 4, .bias = false}},
                  conv2d{8, 2, fn::sigmoid{}, {.groups = 8}});
  });
  row("conv_transpose2d", [&]<class B>(const B& be) {
    return images(
        be, conv_transpose2d{4, {2, 3}, gelu{}, {.stride = 2, .pad = 1, .groups = 2}},
        conv_transpose2d{
            2, 2, fn::tanh{}, {.stride = {2, 3}, .dilation = {2, 1}, .output_pad = {1, 2}}});
  });
  row("conv1d", []<class B>(const B&) {
    return specs<B>{reshape_to{5, 1}, conv1d{4, 2, fn::tanh{}},
                    conv1d{3, 3, gelu{}, {.pad = same, .dilation = 2}}, flatten{}, dense{3}};
  });
  row("lambda", []<class B>(const B&) {
    return specs<B>{
        first, lambda_layer{9, 9, [](const auto& x) { return x / norm(x, over::cols); }},
        lambda_layer{9,
                     7,
                     {{"weight", {9, 7}, init::uniform(-1, 1)},
                      {"bias", {1, 7}, init::uniform(-1, 1), false}},
                     [](const auto& x, const auto& p) { return sin(matmul(x, p[0]) + p[1]); }},
        last};
  });
}

TEST_CASE("layers that pool and resize images", "[gradients][networks]") {
  const auto images = [](const std::string& name, const auto& layer) {
    row(name, [&]<class B>(const B&) {
      return specs<B>{first,   reshape_to{3, 3, 1},  dense{2, fn::tanh{}},
                      layer,   dense{2, fn::tanh{}}, flatten{},
                      dense{3}};
    });
  };
  images("max_pool", max_pool{2});
  images("max_pool, stride, padding and dilation",
         max_pool{{3, 2}, {.stride = {2, 1}, .dilation = {1, 2}, .pad = {1, 0}}});
  images("average_pool", average_pool{2, {.stride = 1}});
  images("average_pool, padding not counted",
         average_pool{{3, 2}, {.stride = 2, .pad = 1, .count_padding = false}});
  images("global_max_pool", global_max_pool{});
  images("global_average_pool", global_average_pool{});
  images("upsample", upsample{{2, 1}});
  images("upsample, bilinear", upsample{{1, 3}, upsampling::bilinear});
  images("pad", pad{{.top = 1, .right = 2}});
  images("crop", crop{{.bottom = 1, .left = 1}});
}

TEST_CASE("normalization", "[gradients][networks]") {
  // Images of odd extents: 3 × 3 positions of 4 channels, in the middle of a network.
  const auto of_images = [](const std::string& name, const auto& layer) {
    row(name, [&]<class B>(const B&) {
      const auto images = dense{5, 36}.bias(init::uniform(-1, 1));
      return specs<B>{images,  reshape_to{3, 3, 4}, layer, dense{2, fn::tanh{}}, flatten{},
                      dense{3}};
    });
  };
  of_images("batch_norm", batch_norm{});
  of_images("batch_norm, with sigmoid", batch_norm{fn::sigmoid{}});
  of_images("batch_norm, with gelu, without parameters", batch_norm{gelu{}}.affine(false));
  row("batch_norm, of features", []<class B>(const B&) {
    return specs<B>{first, batch_norm{}, dense{7}, last};
  });
  of_images("layer_norm", layer_norm{});
  of_images("layer_norm, of all axes", layer_norm{}.all_axes());
  of_images("rms_norm", rms_norm{1e-5});
  of_images("group_norm", group_norm{2});
  row("group_norm, of features", []<class B>(const B&) {
    return specs<B>{first, group_norm{3}, dense{7}, last};
  });
  of_images("instance_norm", instance_norm{});
  of_images("local_response_norm", local_response_norm{3, 0.5, 0.75, 1.5});
  of_images("prelu", prelu{});
  of_images("prelu, per channel", prelu{}.per_channel());
  of_images("shortcut", shortcut{2, 6});
  of_images("projected_residual",
            residual{dense{3, fn::tanh{}}, batch_norm{fn::sigmoid{}}}.projection(dense{3}));
  of_images("dense_block", dense_block{dense{2, fn::tanh{}}, dense{3, fn::sigmoid{}}});
}

TEST_CASE("first weights of dense layers", "[gradients][networks]") {
  const auto weights = [](const char* rule, initializer w) {
    // Weights of 0 let no gradient through.
    batch_point at = point;
    at.allow_zero = rule == std::string("zeros");
    row(
        std::string("dense, weights by ") + rule,
        [&]<class B>(const B&) {
          return specs<B>{first, dense{9, 7, fn::tanh{}}.weights(w).bias(w), last};
        },
        at);
  };
  weights("zeros", init::zeros());
  weights("constant", init::constant(0.3));
  weights("uniform", init::uniform(-1, 1));
  weights("normal", init::normal(0.1, 0.5));
  weights("glorot_uniform", init::glorot_uniform());
  weights("glorot_normal", init::glorot_normal());
  weights("he_uniform", init::he_uniform());
  weights("he_normal", init::he_normal());
  weights("lecun_uniform", init::lecun_uniform());
  weights("lecun_normal", init::lecun_normal());
  weights("orthogonal", init::orthogonal());
}

namespace {

/// Both rows of a layer that draws random numbers.
template <class Layer>
void dropout_row(const std::string& kind, const Layer& layer) {
  using D = support::tested<double>;
  using S = support::tested<float>;
  const auto layers = [&]<class B>(const B&) { return specs<B>{first, dense{9, 7}, layer, last}; };
  const D be;
  gradient_check_options options;
  options.pass = training_pass;
  auto net = made<D>(layers(be));
  if (wanted("double"))
    double_row("layers", kind)
        .add(check_gradients(net, quadratic_cost{}, on(be, point.x).view(),
                             on(be, point.targets).view(), options),
             elements_of(net, point.x.rows));
  if (!wanted("float")) return;

  // Float and double draw other numbers. So beside the layer in float stands, in double, a product
  // with what it did to a batch of ones.
  auto single = made<S>(layers(S{}));
  const auto one = dense{7, 7}.weights(init::zeros()).bias(init::constant(1));
  const network<S> alone{S{}, {one, one, layer}};
  auto state = alone.make_pass(7, true);
  const tensor<S> any = uniform(alone.backend(), 7, 7, 1);
  const std::vector<double> kept =
      doubles(alone.backend(), alone.forward(any.view(), state, training_pass));
  CHECK(std::count(kept.begin(), kept.end(), 0.0) > 5);
  CHECK(largest(kept) > 1);
  auto same = made<D>(specs<D>{
      first, dense{9, 7},
      lambda_layer{
          7, 7, {{"weight", {7, 7}}}, [](const auto& x, const auto& p) { return x * p[0]; }},
      last});
  const auto assign = [&](const std::string& name, const std::vector<double>& values) {
    const matrix<D> place = same.values(name);
    be.upload(place, matrix_view<const double>(values.data(), place.rows(), place.cols()));
    be.synchronize();
  };
  for (const parameter& p : single.parameter_list())
    assign(p.name, doubles(single.backend(), const_matrix<S>(single.values(p.name))));
  assign("2.weight", kept);
  const auto& names = single.parameter_list();
  float_row("layers", kind)
      .add(gradients_of(single, quadratic_cost{}, point, names),
           gradients_of(same, quadratic_cost{}, point, names), longest_way(single, point.x.rows),
           functions_on_the_way(single));
}

}  // namespace

TEST_CASE("dropout", "[gradients][networks]") {
  dropout_row("dropout", dropout{0.3});
  dropout_row("dropout2d", dropout2d{0.3});
}

}  // namespace layers_test
