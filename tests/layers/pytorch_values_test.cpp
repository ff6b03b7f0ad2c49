// Layers of images and sequences against PyTorch in double: 200 random configurations, of which
// pytorch_values.py wrote the results and gradients to pytorch_values.safetensors.
#include <map>
#include <string>

#include "chainrule/io/safetensors.hpp"
#include "chainrule/layers/batch_norm.hpp"
#include "chainrule/layers/convolution.hpp"
#include "chainrule/layers/group_norm.hpp"
#include "chainrule/layers/layer_norm.hpp"
#include "chainrule/layers/local_response_norm.hpp"
#include "chainrule/layers/pooling.hpp"
#include "chainrule/layers/prelu.hpp"
#include "chainrule/layers/resizing.hpp"
#include "chainrule/network/network.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace pytorch_values_test {

using namespace batches;

namespace {

/// `numbers` of pytorch_values.py: the same numbers from integers modulo 2^32.
std::vector<double> inputs_of(index_t count, std::uint32_t which) {
  std::vector<double> values;
  for (index_t i = 0; i < count; ++i) {
    auto v = static_cast<std::uint32_t>(i) * 2654435761U + which * 40503U + 12345U;
    v = (v ^ (v >> 15U)) * 2246822519U;
    v = v ^ (v >> 13U);
    values.push_back(static_cast<double>(v) / 4294967296.0 - 0.5);
  }
  return values;
}

/// The cases of the file.
class recorded_cases {
 public:
  recorded_cases()
      : file_(load_safetensors(CHAINRULE_TESTS_FOLDER "/layers/pytorch_values.safetensors",
                               {.require_checksums = false})) {}

  [[nodiscard]] int count() const { return std::stoi(file_.metadata().at("cases")); }
  [[nodiscard]] bool has(int i, const std::string& name) const {
    return file_.contains(std::to_string(i) + "." + name);
  }
  [[nodiscard]] std::vector<double> values(int i, const std::string& name) const {
    const std::string full = std::to_string(i) + "." + name;
    const index_t size = file_.tensor(full).shape.at(0);
    std::vector<double> all(static_cast<std::size_t>(size));
    file_.copy_to(full, {size}, std::span<double>(all));
    return all;
  }

 private:
  safetensors_file file_;
};

/// The numbers of a case, as pytorch_values.py orders them.
struct case_spec {
  int kind;
  index_t n, h, w, c, out;
  extent2d kernel, stride, dilation, pad, output_pad;
  index_t groups;
  bool bias, same, count;

  explicit case_spec(const std::vector<double>& v)
      : kind(static_cast<int>(v.at(0))),
        n(at(v, 1)),
        h(at(v, 2)),
        w(at(v, 3)),
        c(at(v, 4)),
        out(at(v, 5)),
        kernel(at(v, 6), at(v, 7)),
        stride(at(v, 8), at(v, 9)),
        dilation(at(v, 10), at(v, 11)),
        pad(at(v, 12), at(v, 13)),
        output_pad(at(v, 14), at(v, 15)),
        groups(at(v, 16)),
        bias(at(v, 17) != 0),
        same(at(v, 18) != 0),
        count(at(v, 19) != 0) {}

 private:
  static index_t at(const std::vector<double>& v, std::size_t i) {
    return static_cast<index_t>(v.at(i));
  }
};

/// The layer of a case.
template <class B>
any_layer<B> layer_of(const case_spec& s) {
  const padding pad = s.same ? same : padding(s.pad);
  switch (s.kind) {
    case 0:
      return conv2d{s.out, s.kernel, {s.stride, pad, s.dilation, s.groups, s.bias}};
    case 1:
      return conv1d{s.out, s.kernel, {s.stride, pad, s.dilation, s.groups, s.bias}};
    case 2:
      return conv_transpose2d{
          s.out, s.kernel, {s.stride, pad, s.dilation, s.groups, s.bias, s.output_pad}};
    case 3:
      return max_pool{s.kernel, {s.stride, s.dilation, pad}};
    case 4:
      return average_pool{s.kernel, {s.stride, pad, s.count}};
    case 5:
      return batch_norm{};
    case 6:
      return layer_norm{};
    case 7:
      return group_norm{s.groups};
    case 8:
      return instance_norm{};
    case 9:
      return rms_norm{1e-5};
    case 10:
      return local_response_norm{s.out};
    case 11:
      return s.groups > 1 ? prelu{}.per_channel() : prelu{};
    default:
      return upsample{s.stride, s.count ? upsampling::bilinear : upsampling::nearest};
  }
}

constexpr std::size_t kinds = 13;

}  // namespace

TEMPLATE_LIST_TEST_CASE("layers agree with PyTorch in double", "[layers][images]",
                        double_backends) {
  using B = TestType;
  const B be;
  const recorded_cases recorded;
  REQUIRE(recorded.count() == 200);
  std::map<int, int> compared;
  for (int i = 0; i < recorded.count(); ++i) {
    const case_spec s(recorded.values(i, "spec"));
    const bool is_sequence = s.kind == 1;
    const shape in = is_sequence ? shape{s.w, s.c} : shape{s.h, s.w, s.c};
    network<B> net{be, std::vector<any_layer<B>>{input{in}, layer_of<B>(s)}};
    INFO("case " << i << ": " << to_string(net.describe()));
    const std::vector<parameter>& list = net.parameter_list();
    for (std::size_t k = 0; k < list.size(); ++k)
      be.copy(net.values(list[k].name),
              numbers(be, list[k].place.rows, list[k].place.cols,
                      inputs_of(list[k].extents.size(), static_cast<std::uint32_t>(2 + k)))
                  .view());
    const auto x = numbers(be, s.n, in.size(), inputs_of(s.n * in.size(), 1));
    pass<B> p = net.make_pass(s.n, true);
    arena<B> gradients = net.make_gradients();
    tensor<B> dx(be, s.n, in.size());
    be.map(fn::fill{not_a_number}, gradients.all());
    be.map(fn::fill{not_a_number}, dx.view());
    const const_matrix<B> y = net.forward(x.view(), p, phase::train(1, 0));
    // Rounding errors of sums of a few hundred terms are far below this bound of the largest one.
    const auto check = [&](const std::string& name, const std::vector<double>& got) {
      INFO(name);
      const std::vector<double> expected = recorded.values(i, name);
      REQUIRE(got.size() == expected.size());
      CHECK(largest(expected) > 0);
      CHECK(distance(got, expected) <= 1e-10 * largest(expected));
    };
    check("y", doubles(be, y));
    be.copy(net.output_gradient(p),
            numbers(be, s.n, net.outputs(), inputs_of(s.n * net.outputs(), 9)).view());
    net.backward(x.view(), p, gradients, dx.view());
    check("dx", doubles(be, dx));
    for (std::size_t k = 0; k < list.size(); ++k)
      check("d" + std::to_string(k), doubles(be, const_matrix<B>(gradients[list[k].place])));
    if (recorded.has(i, "mean")) {
      net.commit(p);
      const auto& states = net.declared().states();
      REQUIRE(states.size() == 2);
      check("mean", doubles(be, const_matrix<B>(net.states()[states[0].place])));
      check("var", doubles(be, const_matrix<B>(net.states()[states[1].place])));
    }
    ++compared[s.kind];
  }
  CHECK(compared.size() == kinds);
}

}  // namespace pytorch_values_test
