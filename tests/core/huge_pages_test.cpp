#include "chainrule/core/huge_pages.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "support/catch.hpp"
#include "support/huge_pages.hpp"

namespace huge_pages_test {

using chainrule::detail::huge_page;
using chainrule::detail::prefer_huge_pages;

struct freeing {
  void operator()(void* memory) const { std::free(memory); }
};
using memory = std::unique_ptr<std::uint8_t, freeing>;

TEST_CASE("huge pages are preferred for the whole ones within memory, whose content stays") {
  constexpr std::size_t pages = 5;
  const memory m(static_cast<std::uint8_t*>(std::aligned_alloc(huge_page, pages * huge_page)));
  REQUIRE(m != nullptr);
  std::uint8_t* const begin = m.get();
  begin[0] = begin[huge_page] = begin[pages * huge_page - 1] = 7;
  prefer_huge_pages(begin + 1, (pages - 1) * huge_page);  // of which three pages are whole
  CHECK(begin[0] == 7);
  CHECK(begin[huge_page] == 7);
  CHECK(begin[pages * huge_page - 1] == 7);
  if (const auto preferred = prefers_huge_pages(begin)) {
    CHECK_FALSE(*preferred);
    CHECK(prefers_huge_pages(begin + huge_page) == true);
    CHECK(prefers_huge_pages(begin + 4 * huge_page - 1) == true);
    CHECK(prefers_huge_pages(begin + 4 * huge_page) == false);
  }
}

TEST_CASE("memory without two whole huge pages is left alone") {
  const memory m(static_cast<std::uint8_t*>(std::aligned_alloc(huge_page, 4 * huge_page)));
  REQUIRE(m != nullptr);
  prefer_huge_pages(m.get() + 1, 3 * huge_page - 2);  // one page is whole
  prefer_huge_pages(m.get(), huge_page);
  prefer_huge_pages(nullptr, 0);
  if (const auto preferred = prefers_huge_pages(m.get() + huge_page)) CHECK_FALSE(*preferred);
}

}  // namespace huge_pages_test
