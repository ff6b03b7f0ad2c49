/// \file
/// The products of gemms.hpp by oneDNN's primitive for them, planned once per shape.
/// OMP_NUM_THREADS says how many threads.

#include <dnnl.hpp>
#include <unordered_map>

#include "gemms.hpp"

namespace {

struct library {
  library(const product& p, int) {
    using dims = dnnl::memory::dims;
    const auto type = dnnl::memory::data_type::f32;
    const dnnl::memory::desc a(dims{p.m, p.k}, type, p.a_transposed ? dims{1, p.m} : dims{p.k, 1});
    const dnnl::memory::desc b(dims{p.k, p.n}, type, p.b_transposed ? dims{1, p.k} : dims{p.n, 1});
    const dnnl::memory::desc c(dims{p.m, p.n}, type, dims{p.n, 1});
#if DNNL_VERSION_MAJOR >= 3
    matmul_ = dnnl::matmul(dnnl::matmul::primitive_desc(engine(), a, b, c));
#else
    matmul_ = dnnl::matmul(dnnl::matmul::primitive_desc({a, b, c}, engine()));
#endif
    // It promises not to write to what is const here.
    arguments_ = {{DNNL_ARG_SRC, dnnl::memory(a, engine(), const_cast<float*>(p.a))},
                  {DNNL_ARG_WEIGHTS, dnnl::memory(b, engine(), const_cast<float*>(p.b))},
                  {DNNL_ARG_DST, dnnl::memory(c, engine(), p.c)}};
  }

  void operator()() const { matmul_.execute(stream(), arguments_); }

 private:
  static dnnl::engine& engine() {
    static dnnl::engine e(dnnl::engine::kind::cpu, 0);
    return e;
  }
  static dnnl::stream& stream() {
    static dnnl::stream s(engine());
    return s;
  }

  dnnl::matmul matmul_;
  std::unordered_map<int, dnnl::memory> arguments_;
};

std::string version() {
  const dnnl_version_t* v = dnnl_version();
  return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
}

}  // namespace

int main(int argc, char** argv) {
  return contend(argc, argv, [](const setting& s) { return serve_gemms<library>(s, version()); });
}
