// The plan of a device's convolution: divisors, phases and parts. What the kernels compute is
// tested where there is a device.
#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "chainrule/backend/device/kernels/convolution.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace convolution_plan_test {

using namespace chainrule;
using namespace chainrule::device;

namespace {
/// What QUOTIENT computes in a kernel.
std::uint32_t quotient(std::uint32_t n, index_t d) {
  const auto multiplier = static_cast<std::uint32_t>(d & 0xffffffff);
  const auto high = static_cast<std::uint32_t>(std::uint64_t{n} * multiplier >> 32);
  return (high + n) >> static_cast<std::uint32_t>(d >> 32);
}
}  // namespace

TEST_CASE("divisors of kernels divide all numbers of 31 bits", "[backend][convolution]") {
  index_t wrong = 0;
  const auto check = [&](std::uint32_t n, std::uint32_t d) {
    wrong += quotient(n, divisor(d)) != n / d ? 1 : 0;
  };
  constexpr std::uint32_t most = 0x7fffffff;
  for (std::uint32_t d = 1; d <= 1000; ++d) {
    for (std::uint32_t n = 0; n <= 3000; ++n) check(n, d);
    // The neighbours of the largest multiple are where a rounded multiplier fails first.
    for (std::uint32_t below = 0; below < 3; ++below) {
      check(most - below, d);
      check(most / d * d - below, d);
    }
  }
  for (std::uint32_t bit = 1; bit < 31; ++bit)
    for (const std::uint32_t d : {(1U << bit) - 1, 1U << bit, (1U << bit) + 1})
      for (const std::uint32_t n : {0U, d - 1, d, d + 1, most / d * d - 1, most / d * d, most})
        check(n, d);
  CHECK(wrong == 0);
}

TEST_CASE("the phases of an axis see every pair of element and tap once",
          "[backend][convolution]") {
  for (const window_axis& a : {window_axis{9, 3, 1},
                               {9, 3, 2, 1, 1, 1},
                               {11, 4, 3, 2, 2, 1},
                               {12, 3, 2, 2, 2, 2},
                               {13, 3, 6, 4, 3, 0},
                               {5, 2, 7},
                               {8, 5, 4, 6, 20, 3}}) {
    std::set<std::pair<index_t, index_t>> wanted, seen;  // element and position, with a tap of w
    for (index_t p = 0; p < a.count(); ++p)
      for (index_t k = 0; k < a.kernel; ++k)
        if (a.at(p, k) >= 0 && a.at(p, k) < a.size) wanted.insert({a.at(p, k), p * a.kernel + k});
    index_t elements = 0;
    for (index_t phase = 0; phase < a.stride && phase < a.size; ++phase) {
      const phase_axis of = phase_of(a, phase);
      elements += of.seen.pixels;
      for (index_t q = 0; q < of.seen.pixels; ++q)
        for (index_t m = 0; m < of.seen.taps; ++m) {
          const index_t p = q * of.seen.scale + m * of.seen.step + of.seen.shift;
          const index_t k = of.first + m * of.between;
          REQUIRE(k < a.kernel);
          if (p >= 0 && p < of.seen.size)
            CHECK(seen.insert({phase + q * a.stride, p * a.kernel + k}).second);
        }
    }
    CHECK(elements == a.size);
    CHECK(seen == wanted);
  }
}

TEST_CASE("the parts of the gradient of weights cover all positions", "[backend][convolution]") {
  for (const bool on_cpu : {false, true})
    for (const index_t n : {0, 1, 7, 64, 100000})
      for (const convolution& c : {convolution{{{28, 5}, {28, 5}, 1}, 32},
                                   {{{8, 3}, {8, 3}, 512}, 512},
                                   {{{32, 3}, {32, 3}, 64}, 64, 64}}) {
        const convolution_pass p = weights_pass(c, n, on_cpu);
        CHECK(p.inner == n * c.window.positions());
        CHECK(p.parts * p.length >= p.inner);
        CHECK((p.parts - 1) * p.length < std::max<index_t>(1, p.inner));
        CHECK(p.length <= index_t{1} << 30);
      }
  // More than 2^31 positions are more than a part can count.
  const convolution large{{{1 << 10, 1}, {1 << 10, 1}, 1}, 512};
  CHECK(weights_pass(large, 1 << 13, false).parts >= 8);
}

TEST_CASE("an image that 32 bits cannot count is refused", "[backend][convolution]") {
  const convolution c{{{1 << 16, 3}, {1 << 16, 3}, 1}, 1};
  const std::string said = support::complaint<shape_error>([&] { (void)forward_pass(c, 1); });
  CHECK(said.find("at most 1073741824") != std::string::npos);
}

}  // namespace convolution_plan_test
