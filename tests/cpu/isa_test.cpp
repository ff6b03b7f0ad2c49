// The choice of the instruction set: what CHAINRULE_ISA may say, and what the backend then uses.
#include "chainrule/backend/cpu.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace isa_test {

using namespace chainrule;
using support::complaint;

namespace {

template <class... Parts>
bool says(const std::string& text, const Parts&... parts) {
  return ((text.find(parts) != std::string::npos) && ...);
}

}  // namespace

TEST_CASE("the widest instruction set is the default, and the portable one always there") {
  CHECK(is_supported(isa::portable));
  CHECK(is_supported(best_isa()));
  CHECK(isa_from(nullptr) == best_isa());
  CHECK(isa_from("") == best_isa());
  CHECK(isa_from("portable") == isa::portable);
  // A set contains those before it.
  if (is_supported(isa::avx512)) CHECK(is_supported(isa::avx2));
}

TEST_CASE("an instruction set has to exist, and this machine has to have it") {
  CHECK(says(complaint<value_error>([] { (void)isa_from("sse9"); }), "CHAINRULE_ISA", "portable",
             "avx2", "avx512", "'sse9'"));
  for (const isa set : {isa::avx2, isa::avx512}) {
    const std::string name(name_of(set));
    if (is_supported(set)) {
      CHECK(isa_from(name.c_str()) == set);
    } else {
      CHECK(says(complaint<value_error>([&] { (void)isa_from(name.c_str()); }), "instruction set",
                 name));
      CHECK(says(complaint<value_error>([&] { (void)cpu(1, set); }), "instruction set", name));
    }
  }
}

TEST_CASE("a backend says which instruction set it uses, and hands it on") {
  const cpu be(1, isa::portable);
  CHECK(be.isa() == isa::portable);
  CHECK(be.instruction_set().find("portable") == 0);
  CHECK(basic_cpu<double>(be).isa() == isa::portable);
  CHECK(cpu().isa() == chosen_isa());
  if (is_supported(isa::avx2)) CHECK(cpu(1, isa::avx2).instruction_set() == "AVX2 and FMA");
  if (is_supported(isa::avx512)) CHECK(cpu(1, isa::avx512).instruction_set() == "AVX-512");
}

}  // namespace isa_test
