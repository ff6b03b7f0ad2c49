// Every kernel that the library's verbs, activations, losses and optimizers are traced to compiles
// under NVRTC, without a GPU, for each family of them, without a warning, and computes in the
// scalar it is for.
//
// NVRTC takes its time for each program, so all kernels of a scalar are one program: each in a
// namespace and under a name of its own.

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "chainrule/backend/cuda/compiler.hpp"
#include "cuda/traced_texts.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace kernels_test {

namespace {

using chainrule::cuda_api;
using chainrule::device::cuda_program;
using chainrule::device::cuda_target;

/// The names that lines of a text define.
[[nodiscard]] std::set<std::string> macros_of(const std::string& text) {
  static const std::string define = "#define ";
  std::set<std::string> names;
  for (std::size_t at = text.find(define); at != std::string::npos; at = text.find(define, at)) {
    at += define.size();
    names.insert(text.substr(at, text.find_first_of(" (\n", at) - at));
  }
  return names;
}

/// All texts as one program.
[[nodiscard]] std::string joined(const std::vector<std::string>& texts) {
  std::string program = chainrule::device::cuda_prelude;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string number = std::to_string(i);
    program += "#define cr_main cr_main" + number + "\nnamespace part" + number + " {\n" +
               texts[i] + "}\n#undef cr_main\n";
    for (const std::string& name : macros_of(texts[i])) program += "#undef " + name + "\n";
  }
  return program;
}

/// What NVRTC says of a program, or of the part of it that does not compile.
[[nodiscard]] std::string words_for(const std::string& text, int architecture) {
  cuda_program<cuda_api> program(text);
  const nvrtcResult code = program.compile(cuda_target{architecture, false});
  return code == NVRTC_SUCCESS ? program.log()
                               : chainrule::device::cuda_error_name(code) + ("\n" + program.log());
}

template <class T>
[[nodiscard]] const std::vector<std::string>& texts() {
  static const std::vector<std::string> all = support::traced_texts<T>();
  return all;
}

}  // namespace

TEMPLATE_TEST_CASE("every kernel compiles for families of GPUs without a warning",
                   "[cuda][kernels]", float, double) {
  REQUIRE(texts<TestType>().size() > 200);
  const std::string program = joined(texts<TestType>());
  int count = 0;
  REQUIRE(cuda_api::architecture_count(&count) == NVRTC_SUCCESS);
  std::vector<int> known(static_cast<std::size_t>(count));
  REQUIRE(cuda_api::architectures(known.data()) == NVRTC_SUCCESS);
  // Those between take as long again each: sh tests/run.sh -C long
  const bool all = std::getenv("CHAINRULE_TEST_ALL_FAMILIES") != nullptr;
  for (const int architecture : {75, 80, 90, 100, 120}) {
    if (!all && architecture != 75 && architecture != 120) continue;
    INFO("sm_" << architecture);
    if (std::find(known.begin(), known.end(), architecture) == known.end()) {
      WARN("skipped sm_" << architecture << ": this NVRTC does not know it");
      continue;
    }
    CHECK(words_for(program, architecture) == "");
  }
}

TEST_CASE("kernels for float compute nothing in double", "[cuda][kernels]") {
  const std::vector<std::string>& all = texts<float>();
  cuda_program<cuda_api> program(joined(all));
  const cuda_target target{80, true};
  REQUIRE(program.compile(target) == NVRTC_SUCCESS);
  const std::string ptx = program.image(target);
  std::size_t looked_at = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    // CUDA's own functions of an angle take large ones apart in double.
    const auto calls = [&](const char* name) { return all[i].find(name) != std::string::npos; };
    if (calls("sin(") || calls("cos(") || calls("tan(")) continue;
    const std::size_t from = ptx.find(".visible .entry cr_main" + std::to_string(i) + "(");
    REQUIRE(from != std::string::npos);
    const std::string body = ptx.substr(from, ptx.find(".visible .entry", from + 1) - from);
    INFO(all[i]);
    CHECK(body.find(".f64") == std::string::npos);
    ++looked_at;
  }
  CHECK(looked_at > all.size() * 9 / 10);
}

TEST_CASE("aligned products load and store vectors of 16 bytes", "[cuda][kernels]") {
  const auto has_vectors = [](const std::string& text) {
    return text.find("#define VECTOR float4") != std::string::npos &&
           text.find("#define PLACE int") != std::string::npos;
  };
  CHECK(std::count_if(texts<float>().begin(), texts<float>().end(), has_vectors) >= 20);
  // A work item with 4 x 4 sums or more also reads vectors of local memory and stores those of c.
  const auto one = std::find_if(texts<float>().begin(), texts<float>().end(), [&](const auto& t) {
    return has_vectors(t) && t.find("#define LEFT float4") != std::string::npos &&
           t.find("#define RIGHT float4") != std::string::npos;
  });
  REQUIRE(one != texts<float>().end());
  const std::string ptx =
      chainrule::device::cuda_compile<cuda_api>(chainrule::device::cuda_prelude + *one, {80, true});
  for (const char* access : {"ld.global.v4", "ld.shared.v4", "st.global.v4"}) {
    INFO(access);
    CHECK(ptx.find(access) != std::string::npos);
  }
}

TEST_CASE("one kernel alone becomes a program for a device", "[cuda][kernels]") {
  const std::string text = chainrule::device::cuda_prelude + texts<float>().front();
  const std::string cubin = chainrule::device::cuda_compile<cuda_api>(text, {90, false});
  CHECK(cubin.substr(1, 3) == "ELF");
  CHECK(cubin.find("cr_main") != std::string::npos);
  const std::string ptx = chainrule::device::cuda_compile<cuda_api>(text, {75, true});
  CHECK(ptx.find(".target sm_75") != std::string::npos);
}

TEST_CASE("a text that does not compile is shown with NVRTC's words", "[cuda][kernels]") {
  const std::string said = support::complaint<chainrule::backend_error>([] {
    (void)chainrule::device::cuda_compile<cuda_api>(
        std::string(chainrule::device::cuda_prelude) + "KERNEL cr_main(long n) { no_such(n); }\n",
        {90, false});
  });
  CHECK(said.find("NVRTC_ERROR_COMPILATION") != std::string::npos);
  CHECK(said.find("identifier \"no_such\" is undefined") != std::string::npos);
  CHECK(said.find(": KERNEL cr_main(long n) { no_such(n); }\n") != std::string::npos);
}

TEST_CASE("NVRTC's own list decides about targets", "[cuda][target]") {
  CHECK(chainrule::device::cuda_target_for<cuda_api>(90).option() == "--gpu-architecture=sm_90");
  CHECK(chainrule::device::cuda_compiler_identity<cuda_api>({90, false}).find("NVRTC ") == 0);
}

}  // namespace kernels_test
