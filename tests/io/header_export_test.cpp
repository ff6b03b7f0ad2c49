// Networks as C++ headers. header_export_check.cmake compiles and runs those that "networks for
// header_export_check.cmake" writes.
#include "chainrule/io/header_export.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "chainrule/autodiff/lambda_layer.hpp"
#include "io/exported_networks.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

namespace header_export_test {

using namespace chainrule;

namespace {

using B = basic_cpu<float>;

/// What is said when the network is exported.
template <class Network>
std::string refusal(const Network& net, const header_options& options = {}) {
  const scratch::folder folder;
  const std::string message =
      scratch::complaint<value_error>([&] { export_header(net, folder / "net.hpp", options); });
  CHECK(folder.count() == 0);
  return message;
}

}  // namespace

TEST_CASE("what has no loops is refused by name", "[header_export]") {
  const network lambda{B{1}, dense{3, 3}, lambda_layer{3, 3, [](const auto& x) { return x * x; }}};
  CHECK(refusal(lambda) ==
        "layer 1 (lambda) cannot be written as a header: there are no loops for it; leave it out "
        "of the exported network");
  const network own{B{1}, dense{3, 3, exported_networks::swish{}}};
  CHECK(scratch::contains(refusal(own), "layer 0 (activation) cannot be written as a header"));
  const network indices{B{1}, input{3}, embedding{4, 2}};
  CHECK(refusal(indices) ==
        "a network that takes indices (embedding) cannot be written as a header");
}

TEST_CASE("names and parameters of a header are checked", "[header_export]") {
  network net{B{1}, dense{3, 2}};
  CHECK(scratch::contains(refusal(net, {.name = "2nd"}), "'2nd'"));
  CHECK(scratch::contains(refusal(net, {.name = "a-b"}), "'a-b'"));
  CHECK(scratch::contains(refusal(net, {.name = ""}), "''"));
  net.values("0.weight")(1, 1) = std::numeric_limits<float>::infinity();
  CHECK(scratch::contains(refusal(net), "not finite"));
}

TEST_CASE("memory is used again as soon as it is free", "[header_export]") {
  const scratch::folder folder;
  const auto scratch_of = [&](const auto& net) {
    export_header(net, folder / "net.hpp");
    const std::string text = scratch::read(folder / "net.hpp");
    const std::string key = "const int scratch_size = ";
    return std::atoi(text.c_str() + text.find(key) + key.size());
  };
  CHECK(scratch_of(network{B{1}, dense{3, 2}}) == 0);
  CHECK(scratch_of(network{B{1}, dense{3, 4}, dense{2}}) == 4);
  CHECK(scratch_of(network{B{1}, dense{3, 4, relu{}}, batch_norm{fn::tanh{}}, dense{2}}) == 4);
  // Three values of 5, of which two are needed at a time.
  CHECK(scratch_of(network{B{1}, dense{3, 5}, dense{5}, dense{5}, dense{2}}) == 10);
  // The input of the block is needed until its end.
  CHECK(scratch_of(network{B{1}, dense{3, 5}, residual{dense{7}, dense{5}}, dense{2}}) == 17);
}

namespace {

/// Writes a header, samples and our outputs, and what the program does with them.
template <class T>
void write_case(const std::string& folder, const exported_networks::named<T>& c,
                std::string& includes, std::string& calls) {
  const std::string name = c.name + (sizeof(T) == 8 ? "_double" : "_float");
  export_header(c.net, folder + "/" + name + ".hpp",
                {.name = name,
                 .activations = {trace_activation(exported_networks::swish{}),
                                 trace_activation(exported_networks::many_calls{}),
                                 trace_activation(fn::erfc{})}});
  const auto [x, y] = exported_networks::samples(c, 5);
  scratch::write(folder + "/" + name + ".x", x);
  scratch::write(folder + "/" + name + ".y", y);
  includes += "#include \"" + name + ".hpp\"\n";
  // A rounding in each layer, and in sums one that grows like a random walk.
  index_t terms = 1;
  for (const parameter& p : c.net.parameter_list()) terms = std::max(terms, p.place.rows);
  const double bound = (static_cast<double>(c.net.declared().layer_inputs().size()) +
                        std::sqrt(static_cast<double>(terms))) *
                       static_cast<double>(std::numeric_limits<T>::epsilon());
  calls +=
      detail::concat("  failures += differs<", name, "::real>(\"", name, "\", ", name, "::inputs, ",
                     name, "::outputs, ", detail::digits_of(bound), ", ", name, "::predict);\n");
}

constexpr const char* program = R"(
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

template <class T>
std::vector<T> read(const std::string& path) {
  std::vector<T> values;
  if (std::FILE* const file = std::fopen(path.c_str(), "rb")) {
    T value;
    while (std::fread(&value, sizeof value, 1, file) == 1) values.push_back(value);
    std::fclose(file);
  }
  return values;
}
template <class T>
int differs(const char* name, int inputs, int outputs, double bound, void predict(const T*, T*)) {
  const std::vector<T> x = read<T>(std::string(name) + ".x"), y = read<T>(std::string(name) + ".y");
  std::vector<T> own(y.size(), T(1e30));
  if (x.size() != std::size_t(5 * inputs) || y.size() != std::size_t(5 * outputs)) return 1;
  double largest = 0, error = 0;
  for (int i = 0; i < 5; ++i) {
    predict(x.data() + i * inputs, own.data() + i * outputs);
    const T* const a = y.data() + i * outputs;
    const T* const b = own.data() + i * outputs;
    for (int j = 0; j < outputs; ++j) {
      if (!(std::abs(b[j]) < T(1e29))) return std::printf("%s: output %d is %g\n", name, j, double(b[j])), 1;
      largest = std::max(largest, double(std::abs(a[j])));
      error = std::max(error, double(std::abs(a[j] - b[j])));
    }
  }
  std::printf("%-35s %.2f of the bound\n", name, error / largest / bound);
  return error > bound * largest;
}
)";

}  // namespace

TEST_CASE("networks for header_export_check.cmake", "[.][header_export]") {
  const char* const folder = std::getenv("CHAINRULE_TEST_HEADERS");
  if (folder == nullptr) FAIL("set CHAINRULE_TEST_HEADERS to a folder");
  std::string includes, calls;
  const auto write = [&]<class T>(T) {
    for (const auto& c : exported_networks::all<T>())
      if (c.net.declared().index_count() == 0) write_case(folder, c, includes, calls);
  };
  write(float{});
  write(double{});
  export_header(exported_networks::all<float>().at(1).net, std::string(folder) + "/digits.hpp",
                {.name = "digits"});
  scratch::write(std::string(folder) + "/check.cpp", includes + program +
                                                         "int main() {\n  int failures = 0;\n" +
                                                         calls + "  return failures;\n}\n");
}

}  // namespace header_export_test
