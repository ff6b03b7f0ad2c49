#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "support/catch.hpp"

namespace thread_pool_test {

using chainrule::index_t;
using chainrule::thread_pool;
using namespace std::chrono_literals;

namespace {

/// How often each of `count` pieces ran, as the smallest and the largest number.
std::pair<int, int> runs_of_each(thread_pool& pool, index_t count) {
  std::vector<std::atomic<int>> ran(static_cast<std::size_t>(count));
  pool.for_each(count, [&](index_t i) { ++ran[static_cast<std::size_t>(i)]; });
  std::pair<int, int> range{1, 1};
  for (const auto& n : ran) {
    range.first = std::min(range.first, n.load());
    range.second = std::max(range.second, n.load());
  }
  return range;
}

/// Two pieces, each of which waits for the other: true only if two threads ran them at once.
bool two_threads_meet(thread_pool& pool) {
  std::atomic<int> arrived{0};
  std::atomic<bool> met{true};
  pool.for_each(2, [&](index_t) {
    ++arrived;
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (arrived < 2)
      if (std::chrono::steady_clock::now() > deadline) {
        met = false;
        return;
      }
  });
  return met;
}

/// Sets CHAINRULE_THREADS, and puts back what it was.
class environment {
 public:
  environment() {
    if (const char* text = std::getenv(name)) {
      before_ = text;
      had_ = true;
    }
  }
  ~environment() { had_ ? ::setenv(name, before_.c_str(), 1) : ::unsetenv(name); }
  environment(const environment&) = delete;
  environment& operator=(const environment&) = delete;
  void set(const char* text) { ::setenv(name, text, 1); }
  void unset() { ::unsetenv(name); }

 private:
  static constexpr const char* name = "CHAINRULE_THREADS";
  std::string before_;
  bool had_ = false;
};

}  // namespace

TEST_CASE("a pool runs every piece exactly once") {
  for (const int threads : {1, 2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(pool.threads() == threads);
    for (const index_t count : {0, 1, 2, 3, 7, 100, 100000}) {
      CAPTURE(threads, count);
      CHECK(runs_of_each(pool, count) == std::pair(1, 1));
    }
    for (int i = 0; i < 300; ++i)
      if (runs_of_each(pool, 5) != std::pair(1, 1)) FAIL("in repetition " << i);
  }
}

TEST_CASE("a pool runs more pieces than it can hand out") {
  thread_pool pool(2);
  CHECK(runs_of_each(pool, (1 << 20) + 3) == std::pair(1, 1));
}

TEST_CASE("a pool works with as many threads as it says") {
  for (const int threads : {2, 3}) {
    thread_pool pool(threads);
    CHECK(two_threads_meet(pool));
  }
}

TEST_CASE("workers that fell asleep wake") {
  thread_pool pool(2);
  for (int i = 0; i < 10; ++i) {
    std::this_thread::sleep_for(20ms);
    REQUIRE(two_threads_meet(pool));
  }
}

TEST_CASE("a pool ends at once, whatever its workers do") {
  for (int i = 0; i < 50; ++i) {
    thread_pool pool(3);
    if (i % 3 == 1) pool.for_each(3, [](index_t) {});
    if (i % 10 == 2) std::this_thread::sleep_for(5ms);  // until they sleep
  }
}

TEST_CASE("the exception of a piece arrives, after the others have run") {
  for (const int threads : {1, 2, 4}) {
    CAPTURE(threads);
    thread_pool pool(threads);
    for (int i = 0; i < 20; ++i) {
      std::atomic<int> ran{0};
      std::string said;
      try {
        pool.for_each(50, [&](index_t piece) {
          ++ran;
          if (piece % 10 == 3) throw chainrule::value_error("piece");
        });
      } catch (const chainrule::value_error& e) {
        said = e.what();
      }
      REQUIRE(said == "piece");
      REQUIRE(ran == 50);
      // It is not thrown again, and the pool still works.
      REQUIRE(runs_of_each(pool, 20) == std::pair(1, 1));
    }
  }
}

TEST_CASE("an exception of a single piece arrives") {
  thread_pool pool(2);
  CHECK_THROWS_AS(pool.for_each(1, [](index_t) { throw chainrule::value_error("one"); }),
                  chainrule::value_error);
}

TEST_CASE("a piece may use its own pool, or another") {
  thread_pool pool(3);
  thread_pool other(2);
  std::atomic<int> inner{0};
  pool.for_each(6, [&](index_t) {
    pool.for_each(7, [&](index_t) { ++inner; });
    other.for_each(5, [&](index_t) { ++inner; });
  });
  CHECK(inner == 6 * (7 + 5));
  // After a nested call that throws, too.
  CHECK_THROWS_AS(pool.for_each(4,
                                [&](index_t) {
                                  pool.for_each(
                                      4, [](index_t) { throw chainrule::value_error("inner"); });
                                }),
                  chainrule::value_error);
  CHECK(two_threads_meet(pool));
}

TEST_CASE("several threads may use one pool at once") {
  thread_pool pool(2);
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t)
    callers.emplace_back([&] {
      for (int i = 0; i < 500; ++i)
        if (runs_of_each(pool, 1 + i % 9) != std::pair(1, 1)) ++wrong;
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(wrong == 0);
}

TEST_CASE("a pool of no threads, or of too many, is refused") {
  for (const int threads : {0, -1, 1025}) {
    std::string said;
    try {
      thread_pool pool(threads);
    } catch (const chainrule::value_error& e) {
      said = e.what();
    }
    CAPTURE(said);
    CHECK(said.find("between 1 and 1024, got " + std::to_string(threads)) != std::string::npos);
    CHECK_THROWS_AS(chainrule::cpu{threads}, chainrule::value_error);
  }
}

TEST_CASE("CHAINRULE_THREADS sets the number of threads") {
  environment variable;
  for (const char* text : {"1", "2", "07", "1024"}) {
    variable.set(text);
    CHECK(chainrule::default_threads() == std::atoi(text));
  }
  variable.unset();
  const int usual = chainrule::default_threads();
  CHECK(usual >= 1);
  variable.set("");  // as if it were not set
  CHECK(chainrule::default_threads() == usual);
}

TEST_CASE("CHAINRULE_THREADS that is no number of threads is refused") {
  environment variable;
  for (const char* text : {"0", "-1", "1025", "two", "2x", "2 ", " ", "1e3", "0x2", "2.0", "auto",
                           "99999999999999999999", "-99999999999999999999"}) {
    variable.set(text);
    std::string said;
    try {
      (void)chainrule::default_threads();
    } catch (const chainrule::value_error& e) {
      said = e.what();
    }
    CAPTURE(text, said);
    CHECK(said.find("CHAINRULE_THREADS") != std::string::npos);
    CHECK(said.find("'" + std::string(text) + "'") != std::string::npos);
  }
}

TEST_CASE("handles share a pool where they should") {
  const chainrule::cpu a;
  const chainrule::cpu b;
  const chainrule::basic_cpu<double> in_double(a);
  const chainrule::cpu own(3);
  const chainrule::cpu copy = own;  // NOLINT: the copy is what is tested
  CHECK(a.pool() == b.pool());
  CHECK(a.pool() == in_double.pool());
  CHECK(a.pool() == chainrule::basic_cpu<double>{}.pool());
  CHECK(own.pool() != a.pool());
  CHECK(copy.pool() == own.pool());
  CHECK(own.threads() == 3);
  CHECK(a.name() == "cpu");
  CHECK(!a.instruction_set().empty());
}

}  // namespace thread_pool_test
