#include <cstdint>
#include <limits>
#include <utility>

#include "chainrule/backend/cpu/storage.hpp"
#include "support/catch.hpp"
#include "support/huge_pages.hpp"

namespace storage_test {

using chainrule::cpu_storage;
using chainrule::index_t;

TEMPLATE_TEST_CASE("storage begins on a cache line", "", std::uint8_t, std::int32_t, float,
                   double) {
  for (const index_t size : {1, 3, 17, 1025}) {
    const cpu_storage<TestType> s(size);
    CHECK(s.size() == size);
    CHECK(reinterpret_cast<std::uintptr_t>(s.data()) % 64 == 0);
    CHECK(s.view().shape() == chainrule::matrix_shape{1, size});
    CHECK(s.view().data() == s.data());
    s.data()[0] = s.data()[size - 1] = TestType(1);  // a sanitizer would object
  }
}

TEST_CASE("large storage begins on a huge page") {
  constexpr index_t size = 5 << 20;
  cpu_storage<std::uint8_t> s(size);
  CHECK(reinterpret_cast<std::uintptr_t>(s.data()) % (2 << 20) == 0);
  if (const auto preferred = prefers_huge_pages(s.data())) CHECK(*preferred);
  s.data()[0] = s.data()[size - 1] = 1;  // a sanitizer would object
  cpu_storage<std::uint8_t> small(5);
  small = std::move(s);  // each is freed as it was allocated
  CHECK(small.size() == size);
}

TEST_CASE("storage of nothing has no address") {
  CHECK(cpu_storage<float>(0).data() == nullptr);
  CHECK(cpu_storage<float>().size() == 0);
  CHECK(cpu_storage<float>(0).view().empty());
}

TEST_CASE("storage moves, and leaves nothing behind") {
  cpu_storage<float> a(5);
  float* const elements = a.data();
  cpu_storage<float> b(std::move(a));
  CHECK(b.data() == elements);
  CHECK(b.size() == 5);
  CHECK(a.data() == nullptr);  // NOLINT: what a moved-from storage is, is tested
  CHECK(a.size() == 0);
  cpu_storage<float> c(7);
  c = std::move(b);
  CHECK(c.data() == elements);
  CHECK(c.size() == 5);
  static_assert(!std::is_copy_constructible_v<cpu_storage<float>>);
}

TEST_CASE("storage of an impossible size is refused") {
  constexpr index_t most = std::numeric_limits<index_t>::max();
  CHECK_THROWS_AS(cpu_storage<float>(-1), chainrule::value_error);
  CHECK_THROWS_AS(cpu_storage<float>(most), chainrule::value_error);
  CHECK_THROWS_AS(cpu_storage<double>(most / 8 + 1), chainrule::value_error);
}

}  // namespace storage_test
