#include "chainrule/core/huge_pages.hpp"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

#include "support/catch.hpp"
#include "support/huge_pages.hpp"

namespace huge_pages_test {

using chainrule::detail::huge_page;
using chainrule::detail::prefer_huge_pages;

/// New memory of five huge pages, of which nothing was advised: an allocator may reuse old memory.
class mapping {
 public:
  mapping() : memory_(mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, -1, 0)) {
    REQUIRE(memory_ != MAP_FAILED);
  }
  ~mapping() { munmap(memory_, size); }
  mapping(const mapping&) = delete;
  mapping& operator=(const mapping&) = delete;

  /// Begins on a huge page.
  [[nodiscard]] std::uint8_t* begin() const {
    const auto at = reinterpret_cast<std::uintptr_t>(memory_);
    return static_cast<std::uint8_t*>(memory_) + (huge_page - at % huge_page) % huge_page;
  }

 private:
  static constexpr std::size_t size = 6 * huge_page;
  static constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS;
  void* memory_;
};

TEST_CASE("huge pages are preferred for the whole ones within memory, whose content stays") {
  const mapping m;
  std::uint8_t* const begin = m.begin();
  begin[0] = begin[huge_page] = begin[5 * huge_page - 1] = 7;
  prefer_huge_pages(begin + 1, 4 * huge_page);  // of which three pages are whole
  CHECK(begin[0] == 7);
  CHECK(begin[huge_page] == 7);
  CHECK(begin[5 * huge_page - 1] == 7);
  if (const auto preferred = prefers_huge_pages(begin)) {
    CHECK_FALSE(*preferred);
    CHECK(prefers_huge_pages(begin + huge_page) == true);
    CHECK(prefers_huge_pages(begin + 4 * huge_page - 1) == true);
    CHECK(prefers_huge_pages(begin + 4 * huge_page) == false);
  }
}

TEST_CASE("memory without two whole huge pages is left alone") {
  const mapping m;
  prefer_huge_pages(m.begin() + 1, 3 * huge_page - 2);  // one page is whole
  prefer_huge_pages(m.begin(), huge_page);
  prefer_huge_pages(nullptr, 0);
  if (const auto preferred = prefers_huge_pages(m.begin() + huge_page)) CHECK_FALSE(*preferred);
  if (const auto preferred = prefers_huge_pages(m.begin())) CHECK_FALSE(*preferred);
}

}  // namespace huge_pages_test
