/// \file
/// The primitives of a step of the networks of chainrule.cpp by oneDNN 2, one after another, as a
/// contender of run.py: convolutions, pooling, batch normalization with relu, inner products, each
/// forward and backward, in the layouts that oneDNN prefers. Reorders between them, losses,
/// residual sums and updates are left out: it is what the primitives of a step take at least.
/// OMP_NUM_THREADS says how many threads.

#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <dnnl.hpp>
#include <functional>
#include <iostream>
#include <string>
#include <unordered_map>
#include <vector>

using namespace dnnl;

namespace {

using dims = memory::dims;
constexpr auto f32 = memory::data_type::f32;

class step {
 public:
  explicit step(memory::dim batch) : n_(batch) {}

  void convolution(memory::dim h, memory::dim c, memory::dim oc, memory::dim k, memory::dim s,
                   memory::dim p, bool is_first) {
    const memory::dim oh = (h + 2 * p - k) / s + 1;
    const auto x = any({n_, c, h, h}), w = any({oc, c, k, k}), y = any({n_, oc, oh, oh});
    const dims stride{s, s}, pad{p, p};
    const auto algorithm = algorithm::convolution_direct;
    const convolution_forward::primitive_desc f(
        {prop_kind::forward_training, algorithm, x, w, y, stride, pad, pad}, engine_);
    add(convolution_forward(f), {{DNNL_ARG_SRC, f.src_desc()},
                                 {DNNL_ARG_WEIGHTS, f.weights_desc()},
                                 {DNNL_ARG_DST, f.dst_desc()}});
    if (!is_first) {
      const convolution_backward_data::primitive_desc d({algorithm, x, w, y, stride, pad, pad},
                                                        engine_, f);
      add(convolution_backward_data(d), {{DNNL_ARG_DIFF_SRC, d.diff_src_desc()},
                                         {DNNL_ARG_WEIGHTS, d.weights_desc()},
                                         {DNNL_ARG_DIFF_DST, d.diff_dst_desc()}});
    }
    const convolution_backward_weights::primitive_desc g({algorithm, x, w, y, stride, pad, pad},
                                                         engine_, f);
    add(convolution_backward_weights(g), {{DNNL_ARG_SRC, g.src_desc()},
                                          {DNNL_ARG_DIFF_WEIGHTS, g.diff_weights_desc()},
                                          {DNNL_ARG_DIFF_DST, g.diff_dst_desc()}});
  }
  void relu(memory::dim h, memory::dim c) {
    const auto x = last({n_, c, h, h});
    const eltwise_forward::primitive_desc f(
        {prop_kind::forward_training, algorithm::eltwise_relu, x, 0.0F}, engine_);
    add(eltwise_forward(f), {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, x}});
    const eltwise_backward::primitive_desc b({algorithm::eltwise_relu, x, x, 0.0F}, engine_, f);
    add(eltwise_backward(b), {{DNNL_ARG_SRC, x}, {DNNL_ARG_DIFF_DST, x}, {DNNL_ARG_DIFF_SRC, x}});
  }
  void max_pool(memory::dim h, memory::dim c) {
    const auto x = last({n_, c, h, h}), y = last({n_, c, h / 2, h / 2});
    const dims two{2, 2}, none{0, 0};
    const pooling_forward::primitive_desc f(
        {prop_kind::forward_training, algorithm::pooling_max, x, y, two, two, none, none}, engine_);
    const memory workspace(f.workspace_desc(), engine_);
    add(pooling_forward(f), {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, y}}, workspace);
    const pooling_backward::primitive_desc b({algorithm::pooling_max, x, y, two, two, none, none},
                                             engine_, f);
    add(pooling_backward(b), {{DNNL_ARG_DIFF_SRC, x}, {DNNL_ARG_DIFF_DST, y}}, workspace);
  }
  void batch_norm(memory::dim h, memory::dim c) {
    const auto x = last({n_, c, h, h});
    const auto flags = normalization_flags::use_scale_shift | normalization_flags::fuse_norm_relu;
    const batch_normalization_forward::primitive_desc f(
        {prop_kind::forward_training, x, 1e-5F, flags}, engine_);
    const memory workspace(f.workspace_desc(), engine_);
    add(batch_normalization_forward(f),
        {{DNNL_ARG_SRC, x},
         {DNNL_ARG_DST, x},
         {DNNL_ARG_SCALE_SHIFT, f.weights_desc()},
         {DNNL_ARG_MEAN, f.mean_desc()},
         {DNNL_ARG_VARIANCE, f.variance_desc()}},
        workspace);
    const batch_normalization_backward::primitive_desc b({prop_kind::backward, x, x, 1e-5F, flags},
                                                         engine_, f);
    add(batch_normalization_backward(b),
        {{DNNL_ARG_SRC, x},
         {DNNL_ARG_DIFF_DST, x},
         {DNNL_ARG_DIFF_SRC, x},
         {DNNL_ARG_SCALE_SHIFT, f.weights_desc()},
         {DNNL_ARG_DIFF_SCALE_SHIFT, f.weights_desc()},
         {DNNL_ARG_MEAN, f.mean_desc()},
         {DNNL_ARG_VARIANCE, f.variance_desc()}},
        workspace);
  }
  void dense(memory::dim in, memory::dim out) {
    const auto x = any({n_, in}), w = any({out, in}), y = any({n_, out});
    const inner_product_forward::primitive_desc f({prop_kind::forward_training, x, w, y}, engine_);
    add(inner_product_forward(f), {{DNNL_ARG_SRC, f.src_desc()},
                                   {DNNL_ARG_WEIGHTS, f.weights_desc()},
                                   {DNNL_ARG_DST, f.dst_desc()}});
    const inner_product_backward_data::primitive_desc d({x, w, y}, engine_, f);
    add(inner_product_backward_data(d), {{DNNL_ARG_DIFF_SRC, d.diff_src_desc()},
                                         {DNNL_ARG_WEIGHTS, d.weights_desc()},
                                         {DNNL_ARG_DIFF_DST, d.diff_dst_desc()}});
    const inner_product_backward_weights::primitive_desc g({x, w, y}, engine_, f);
    add(inner_product_backward_weights(g), {{DNNL_ARG_SRC, g.src_desc()},
                                            {DNNL_ARG_DIFF_WEIGHTS, g.diff_weights_desc()},
                                            {DNNL_ARG_DIFF_DST, g.diff_dst_desc()}});
  }

  void run() {
    for (const auto& [primitive, arguments] : primitives_) primitive.execute(stream_, arguments);
    stream_.wait();
  }

 private:
  static memory::desc any(const dims& d) { return {d, f32, memory::format_tag::any}; }
  static memory::desc last(const dims& d) { return {d, f32, memory::format_tag::nhwc}; }

  void add(const primitive& p, const std::vector<std::pair<int, memory::desc>>& operands,
           const memory& workspace = {}) {
    std::unordered_map<int, memory> arguments;
    for (const auto& [name, d] : operands) {
      memory m(d, engine_);
      float* const elements = static_cast<float*>(m.get_data_handle());
      for (std::size_t i = 0; i < d.get_size() / sizeof(float); ++i)
        elements[i] = 0.01F * static_cast<float>(i % 97) - 0.4F;
      arguments.emplace(name, m);
    }
    if (workspace) arguments.emplace(DNNL_ARG_WORKSPACE, workspace);
    primitives_.emplace_back(p, arguments);
  }

  memory::dim n_;
  engine engine_{engine::kind::cpu, 0};
  stream stream_{engine_};
  std::vector<std::pair<primitive, std::unordered_map<int, memory>>> primitives_;
};

step make(const std::string& net) {
  step s(net == "DD" || net == "DD0" ? 128 : 64);
  if (net == "L6" || net == "L32") {
    const memory::dim a = net == "L6" ? 6 : 32, b = net == "L6" ? 16 : 64;
    s.convolution(28, 1, a, 5, 1, 0, true), s.relu(24, a), s.max_pool(24, a);
    s.convolution(12, a, b, 5, 1, 0, false), s.relu(8, b), s.max_pool(8, b);
    s.dense(16 * b, 120), s.dense(120, 84), s.dense(84, 10);
  } else if (net == "DD" || net == "DD0") {
    s.convolution(28, 1, 32, 3, 1, 0, true), s.relu(26, 32);
    s.convolution(26, 32, 64, 3, 1, 0, false), s.relu(24, 64), s.max_pool(24, 64);
    s.dense(64 * 144, 128), s.dense(128, 10);
  } else if (net == "V") {
    memory::dim h = 32, c = 3;
    for (const memory::dim out : {32, 64, 128}) {
      s.convolution(h, c, out, 3, 1, 1, c == 3), s.batch_norm(h, out), s.max_pool(h, out);
      c = out, h /= 2;
    }
    s.dense(2048, 10);
  } else {
    s.convolution(32, 3, 16, 3, 1, 1, true), s.batch_norm(32, 16);
    memory::dim h = 32, c = 16;
    for (const memory::dim out : {16, 32, 64})
      for (int i = 0; i < 3; ++i) {
        const memory::dim stride = out > c ? 2 : 1;
        s.convolution(h, c, out, 3, stride, 1, false);
        h /= stride, c = out;
        s.batch_norm(h, out), s.convolution(h, out, out, 3, 1, 1, false), s.batch_norm(h, out);
      }
    s.dense(64, 10);
  }
  return s;
}

}  // namespace

int main(int argc, char** argv) try {
  std::string net = "L32";
  for (int i = 1; i + 1 < argc; i += 2)
    if (std::string(argv[i]) == "--net") net = argv[i + 1];
  step s = make(net);
  s.run();
  const dnnl_version_t* v = dnnl_version();
  std::cout << "ready oneDNN " << v->major << "." << v->minor << "." << v->patch << ", primitives"
            << std::endl;
  std::string word;
  int steps = 0;
  while (std::cin >> word >> steps) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < steps; ++i) s.run();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    std::cout << 1000 * taken.count() / steps << std::endl;
  }
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  std::cout << "memory " << static_cast<double>(used.ru_maxrss) / 1000 << std::endl;
} catch (const std::exception& e) {
  std::cerr << "onednn: " << e.what() << '\n';
  return 1;
}
