// shared, unique, maybe: every object is destroyed once, and not before its last owner.
#include "chainrule/core/holders.hpp"

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace holders_test {

using chainrule::detail::make_shared;
using chainrule::detail::maybe;
using chainrule::detail::shared;
using chainrule::detail::unique;

struct base {
  inline static int alive = 0;
  base() { ++alive; }
  base(const base&) { ++alive; }
  base& operator=(const base&) = default;
  virtual ~base() { --alive; }
  [[nodiscard]] virtual int number() const { return 1; }
};
struct derived final : base {
  explicit derived(std::string t) : text(std::move(t)) {}
  [[nodiscard]] int number() const override { return static_cast<int>(text.size()); }
  std::string text;
};

TEST_CASE("A shared object lives as long as its last owner") {
  REQUIRE(base::alive == 0);
  shared<const base> kept;
  CHECK_FALSE(kept);
  {
    const shared<derived> first = make_shared<derived>("abc");
    const shared<derived> second = first;
    CHECK(first == second);
    CHECK_FALSE(first == make_shared<derived>("abc"));
    kept = second;  // by its base
    CHECK(base::alive == 1);
  }
  CHECK(base::alive == 1);
  CHECK(kept->number() == 3);
  const shared<const base>& same = kept;
  kept = same;
  CHECK(base::alive == 1);
  const shared<const base> moved = std::move(kept);
  CHECK_FALSE(kept);  // NOLINT: after the move
  CHECK((*moved).number() == 3);
  CHECK(kept.get() == nullptr);
  kept = {};
  CHECK(base::alive == 1);
}

TEST_CASE("Owners of a shared object may be copied by several threads") {
  REQUIRE(base::alive == 0);
  {
    shared<base> object = make_shared<base>();
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([object] {
        for (int i = 0; i < 20000; ++i) {
          const shared<base> copy = object;
          if (copy.get() == nullptr) return;
        }
      });
    object = {};
    for (std::thread& t : threads) t.join();
    threads.clear();
  }
  CHECK(base::alive == 0);
}

TEST_CASE("A unique owner destroys what it owned when it takes another object") {
  REQUIRE(base::alive == 0);
  {
    unique<base> a(new derived("ab"));
    CHECK(a->number() == 2);
    unique<base> b(new base);
    CHECK(base::alive == 2);
    a = std::move(b);
    CHECK(base::alive == 1);
    CHECK_FALSE(b);  // NOLINT: after the move
    CHECK((*a).number() == 1);
    a = {};
    CHECK(base::alive == 0);
  }
  CHECK(base::alive == 0);
}

TEST_CASE("A value that may be there is copied with its holder") {
  REQUIRE(base::alive == 0);
  {
    maybe<base> none;
    maybe<base> one = base();
    CHECK(base::alive == 1);
    const maybe<base> copy = one;
    CHECK(base::alive == 2);
    none = copy;
    CHECK(base::alive == 3);
    CHECK(none->number() == 1);
    one = maybe<base>();
    CHECK(base::alive == 2);
    const maybe<base>& same = none;
    none = same;
    CHECK(base::alive == 2);
  }
  CHECK(base::alive == 0);
}

}  // namespace holders_test
