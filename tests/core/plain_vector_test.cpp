// plain_vector: values survive growth, copies are separate, every element is destroyed once.
#include "chainrule/core/plain_vector.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace plain_vector_test {

using chainrule::detail::plain_vector;

/// Counts the objects that exist; the copy of a negative number throws.
struct counted {
  inline static int alive = 0;
  int value = 7;

  counted() { ++alive; }
  explicit counted(int v) : value(v) { ++alive; }
  counted(const counted& other) : value(other.value) {
    if (value < 0) throw std::runtime_error("copied");
    ++alive;
  }
  counted(counted&& other) noexcept : value(other.value) { ++alive; }
  counted& operator=(const counted&) = default;
  ~counted() { --alive; }
};

TEST_CASE("A plain vector keeps its values when it grows") {
  plain_vector<std::string> texts;
  std::vector<std::string> expected;
  for (int i = 0; i < 100; ++i) {
    const std::string text(static_cast<std::size_t>(i), 'x');  // short ones lie within the string
    texts.push_back(text);
    expected.push_back(text);
  }
  CHECK(std::vector<std::string>(texts.begin(), texts.end()) == expected);
  texts.push_back(texts.front());
  texts.push_back(texts[50]);
  CHECK(texts.back() == expected[50]);

  plain_vector<std::unique_ptr<int>> owners;
  for (int i = 0; i < 9; ++i) owners.push_back(std::make_unique<int>(i));
  for (int i = 0; i < 9; ++i) CHECK(*owners[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("A plain vector of numbers grows by zeros, and is copied to a std::vector") {
  plain_vector<long> numbers{4, 5};
  numbers.resize(40);  // memory that held other bytes before
  numbers.resize(1);
  numbers.resize(4);
  CHECK(numbers == plain_vector<long>{4, 0, 0, 0});
  const std::vector<long> copied = numbers;
  CHECK(copied == std::vector<long>{4, 0, 0, 0});
  std::vector<long> assigned{1};
  assigned = numbers;
  CHECK(assigned == copied);
  CHECK(numbers.at(0) == 4);
  CHECK_THROWS_AS(numbers.at(4), std::out_of_range);
  CHECK_THROWS_AS(plain_vector<long>().at(0), std::out_of_range);
}

TEST_CASE("Copies of a plain vector are separate, moves leave nothing behind") {
  const std::vector<int> values{3, 1, 2};
  plain_vector<int> a = values;
  plain_vector<int> b = a;
  CHECK(a == b);
  b[1] = 5;
  CHECK(a[1] == 1);
  CHECK_FALSE(a == b);
  b = std::move(a);
  CHECK(b == plain_vector<int>{3, 1, 2});
  CHECK(b.size() == 3);
  const plain_vector<int>& same = b;
  b = same;
  CHECK(b == plain_vector<int>(values));
  b.clear();
  CHECK(b.empty());
  CHECK_FALSE(b == plain_vector<int>(values));
  CHECK(plain_vector<int>(3) == plain_vector<int>{0, 0, 0});
}

TEST_CASE("A plain vector destroys each element once") {
  {
    plain_vector<counted> v(3);
    CHECK(counted::alive == 3);
    CHECK(v.back().value == 7);
    for (int i = 0; i < 20; ++i) v.push_back(counted(i));
    CHECK(counted::alive == 23);
    const plain_vector<counted> copy = v;
    CHECK(counted::alive == 46);
    v.resize(2);
    CHECK(counted::alive == 25);
    v = copy;
    CHECK(counted::alive == 46);
    v.clear();
    CHECK(counted::alive == 23);
  }
  CHECK(counted::alive == 0);
}

TEST_CASE("A copy that throws leaves no element of a plain vector behind") {
  {
    plain_vector<counted> v(2);
    v.push_back(counted(-1));
    CHECK_THROWS_AS(plain_vector<counted>(v), std::runtime_error);
    CHECK(counted::alive == 3);
    CHECK(v.back().value == -1);
  }
  CHECK(counted::alive == 0);
}

}  // namespace plain_vector_test
