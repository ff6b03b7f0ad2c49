// Files for TensorBoard, read back by a reader of the test's own. That the real TensorBoard reads
// them is a test of tensorboard_read.py.
#include "chainrule/train/tensorboard_log.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/csv_log.hpp"
#include "support/backend_list.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "train/three_classes.hpp"

namespace tensorboard_log_test {

using namespace chainrule;
using scratch::complaint;
using scratch::contains;
using support::backends;
using support::three_classes;

namespace {

template <std::unsigned_integral Word>
Word word_at(std::string_view bytes, std::size_t at) {
  REQUIRE(at + sizeof(Word) <= bytes.size());
  Word word = 0;
  for (std::size_t i = sizeof(Word); i-- > 0;)
    word = static_cast<Word>(word << 8U | static_cast<unsigned char>(bytes[at + i]));
  return word;
}

/// What a record stores for the checksum of `bytes`, with the definition of the mask.
std::uint32_t stored_checksum(std::string_view bytes) {
  const std::uint32_t sum = crc32c_of(scratch::bytes(bytes));
  return ((sum >> 15U) | (sum << 17U)) + 0xA282EAD8U;
}

/// The data of all records of a file, whose lengths and checksums must be right.
std::vector<std::string> records_of(const std::string& path) {
  const std::string all = scratch::read(path);
  const std::string_view file = all;
  std::vector<std::string> records;
  for (std::size_t at = 0; at < file.size();) {
    const auto size = static_cast<std::size_t>(word_at<std::uint64_t>(file, at));
    REQUIRE(size < file.size());
    CHECK(word_at<std::uint32_t>(file, at + 8) == stored_checksum(file.substr(at, 8)));
    CHECK(word_at<std::uint32_t>(file, at + 12 + size) ==
          stored_checksum(file.substr(at + 12, size)));
    records.emplace_back(file.substr(at + 12, size));
    at += 16 + size;
  }
  return records;
}

/// A field of a message: its number (varint, fixed) or its bytes.
struct field {
  std::uint64_t number = 0;
  std::string bytes;
  [[nodiscard]] double as_double() const { return std::bit_cast<double>(number); }
  [[nodiscard]] float as_float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(number));
  }
};

/// The fields of a message, by their numbers.
std::multimap<std::uint64_t, field> fields_of(std::string_view message) {
  std::multimap<std::uint64_t, field> fields;
  std::size_t at = 0;
  const auto varint = [&] {
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = word_at<std::uint8_t>(message, at++);
      value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.size()) {
    const std::uint64_t key = varint();
    field f;
    if (key % 8 == 0) {
      f.number = varint();
    } else if (key % 8 == 1) {
      f.number = word_at<std::uint64_t>(message, at);
      at += 8;
    } else if (key % 8 == 5) {
      f.number = word_at<std::uint32_t>(message, at);
      at += 4;
    } else {
      REQUIRE(key % 8 == 2);
      const auto size = static_cast<std::size_t>(varint());
      REQUIRE(at + size <= message.size());
      f.bytes = message.substr(at, size);
      at += size;
    }
    fields.emplace(key / 8, f);
  }
  return fields;
}

const field& only(const std::multimap<std::uint64_t, field>& fields, std::uint64_t number) {
  REQUIRE(fields.count(number) == 1);
  return fields.find(number)->second;
}

std::vector<double> doubles_of(std::string_view packed) {
  std::vector<double> numbers;
  for (std::size_t at = 0; at < packed.size(); at += 8)
    numbers.push_back(std::bit_cast<double>(word_at<std::uint64_t>(packed, at)));
  return numbers;
}

struct histogram {
  double least = 0, most = 0, count = 0, sum = 0, squares = 0;
  std::vector<double> limits, counts;
};

struct values {
  std::map<std::string, float> scalars;
  std::map<std::string, histogram> histograms;
};

values values_of(std::string_view summary) {
  values all;
  for (const auto& [number, value] : fields_of(summary)) {
    REQUIRE(number == 1);
    const auto fields = fields_of(value.bytes);
    const std::string tag = only(fields, 1).bytes;
    if (fields.count(2) > 0) {
      all.scalars[tag] = only(fields, 2).as_float();
    } else {
      const auto h = fields_of(only(fields, 5).bytes);
      all.histograms[tag] = {only(h, 1).as_double(),      only(h, 2).as_double(),
                             only(h, 3).as_double(),      only(h, 4).as_double(),
                             only(h, 5).as_double(),      doubles_of(only(h, 6).bytes),
                             doubles_of(only(h, 7).bytes)};
    }
  }
  return all;
}

/// What the only file of a folder holds for each step.
std::map<std::uint64_t, values> steps_of(const std::string& folder) {
  const auto names = scratch::entries_of(folder);
  REQUIRE(names.size() == 1);
  CHECK(contains(names[0], ".tfevents."));
  const auto records = records_of(folder + "/" + names[0]);
  REQUIRE(!records.empty());
  CHECK(only(fields_of(records[0]), 3).bytes == "brain.Event:2");
  std::map<std::uint64_t, values> steps;
  double before = only(fields_of(records[0]), 1).as_double();
  CHECK(before > 1.7e9);  // seconds since 1970
  for (std::size_t i = 1; i < records.size(); ++i) {
    const auto fields = fields_of(records[i]);
    CHECK(only(fields, 1).as_double() >= before);
    before = only(fields, 1).as_double();
    steps[only(fields, 2).number] = values_of(only(fields, 5).bytes);
  }
  CHECK(steps.size() == records.size() - 1);
  return steps;
}

/// The histogram has the counts, sums and extremes of these numbers.
template <class B>
void check_histogram(const histogram& h, const B& be, const_matrix<B> numbers) {
  double least = std::numeric_limits<double>::infinity(), most = -least, sum = 0, squares = 0;
  for (const auto number : to_host(be, numbers)) {
    const auto x = static_cast<double>(number);
    least = std::fmin(least, x);
    most = std::fmax(most, x);
    sum += x;
    squares += x * x;
  }
  CHECK(h.least == least);
  CHECK(h.most == most);
  CHECK(h.count == static_cast<double>(numbers.size()));
  CHECK(h.sum == sum);  // added in the same order
  CHECK(h.squares == squares);
  CHECK(squares > 0);
  double counted = 0;
  for (const double c : h.counts) counted += c;
  CHECK(counted == h.count);
  REQUIRE(h.limits.size() == h.counts.size());
  CHECK(h.limits.back() == most);
}

histogram of_numbers(const std::vector<double>& numbers) {
  event_summary summary;
  summary.histogram("x", std::span<const double>(numbers));
  const values all = values_of(summary.message().bytes());
  return all.histograms.empty() ? histogram{} : all.histograms.at("x");
}

}  // namespace

TEST_CASE("TensorBoard gets loss, metrics and rate of each epoch", "[train][logs]") {
  using B = support::tested<float>;
  const scratch::folder folder;
  const B be;
  const auto train = three_classes(be, 20);
  const auto validation = three_classes(be, 9);
  network net{be, dense{4, 3}};
  trainer t{net, softmax_cross_entropy{}, sgd{.rate = step_decay(0.3, 0.7, 5)}};
  tensorboard_log log{folder / "logs/first"};
  const auto fit = [&](int epochs, const dataset<B>* held_out) {
    return t.fit(train,
                 {.epochs = epochs, .batch = 4, .validation = held_out, .callbacks = {&log}});
  };
  const history h = fit(3, &validation);
  const history more = fit(1, nullptr);
  const auto of_training = steps_of(folder / "logs/first/training");
  const auto of_validation = steps_of(folder / "logs/first/validation");
  REQUIRE(of_training.size() == 4);
  REQUIRE(of_validation.size() == 3);
  for (std::uint64_t epoch = 1; epoch <= 4; ++epoch) {
    const epoch_record& r = epoch == 4 ? more.epochs[0] : h.epochs[epoch - 1];
    CHECK(of_training.at(epoch).scalars ==
          std::map<std::string, float>{{"loss", static_cast<float>(r.training.loss)},
                                       {"accuracy", static_cast<float>(r.training.accuracy)},
                                       {"rate", static_cast<float>(r.rate)}});
    CHECK(of_training.at(epoch).histograms.empty());
    if (epoch == 4) continue;
    CHECK(of_validation.at(epoch).scalars ==
          std::map<std::string, float>{{"loss", static_cast<float>(r.validation.loss)},
                                       {"accuracy", static_cast<float>(r.validation.accuracy)}});
  }
}

TEST_CASE("a histogram counts the finite numbers", "[train][logs]") {
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const histogram h = of_numbers({nan, 0, 2, 1.5, 30, -inf, inf});
  CHECK(h.least == 0);
  CHECK(h.most == 30);
  CHECK(h.count == 4);
  CHECK(h.sum == 33.5);
  CHECK(h.squares == 906.25);
  std::vector<double> limits(30), counts(30);
  for (std::size_t i = 0; i < 30; ++i) limits[i] = static_cast<double>(i + 1);
  counts[0] = counts[1] = counts[2] = counts[29] = 1;
  CHECK(h.limits == limits);
  CHECK(h.counts == counts);

  const histogram equal = of_numbers({2, 2, nan, 2});
  CHECK(equal.limits == std::vector<double>{2});
  CHECK(equal.counts == std::vector<double>{3});
  const double largest = std::numeric_limits<double>::max();
  const histogram wide = of_numbers({-largest, largest});
  CHECK(wide.counts[0] + wide.counts[29] == 2);
  CHECK(of_numbers({nan, inf}).count == 0);
  CHECK(of_numbers({}).count == 0);
}

TEMPLATE_LIST_TEST_CASE("TensorBoard gets histograms of weights and gradients", "[train][logs]",
                        backends) {
  using B = TestType;
  const scratch::folder folder;
  const B be;
  const auto data = three_classes(be, 10);
  network net{be, dense{4, 5, relu{}}, dense{5, 3}};
  net.initialize(2);
  trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  tensorboard_log both{folder / "both", t, {.histograms_every = 2}};
  tensorboard_log weights{folder / "weights", net};
  t.fit(data, {.epochs = 4, .batch = 4, .callbacks = {&both, &weights}});
  const auto of_both = steps_of(folder / "both/training");
  const auto of_weights = steps_of(folder / "weights/training");
  for (std::uint64_t epoch = 1; epoch <= 4; ++epoch) {
    CHECK(of_weights.at(epoch).histograms.size() == 4);
    CHECK(of_both.at(epoch).histograms.size() == (epoch % 2 == 0 ? 8U : 0U));
  }
  for (const parameter& p : net.parameter_list()) {
    CAPTURE(p.name);
    const const_matrix<B> w = std::as_const(net).parameters()[p.place];
    check_histogram(of_both.at(4).histograms.at("weights/" + p.name), be, w);
    check_histogram(of_weights.at(4).histograms.at("weights/" + p.name), be, w);
    check_histogram(of_both.at(4).histograms.at("gradients/" + p.name), be, t.gradients()[p.place]);
  }
  CHECK(contains(complaint<value_error>(
                     [&] { tensorboard_log(folder / "none", net, {.histograms_every = -1}); }),
                 "every -1 epochs"));
}

TEST_CASE("a log in a place that is no folder is refused", "[train][logs]") {
  const scratch::folder folder;
  scratch::write(folder / "file", "text");
  tensorboard_log log(folder / "file");
  CHECK(complaint<io_error>([&] { log.on_fit_begin({}); }) ==
        "cannot make the folder '" + folder.path() + "/file/training': Not a directory");
  CHECK(scratch::read(folder / "file") == "text");
}

// What tensorboard_read.py compares: a training logged for TensorBoard and as CSV, and the last
// weights and gradients.
TEST_CASE("logs for tensorboard_read.py", "[.][tensorboard]") {
  const char* const folder = std::getenv("CHAINRULE_TEST_LOGS");
  if (folder == nullptr) FAIL("set CHAINRULE_TEST_LOGS to a folder");
  using B = support::tested<float>;
  const B be;
  const auto train = three_classes(be, 40);
  const auto validation = three_classes(be, 9);
  network net{be, dense{4, 5, relu{}}, dense{5, 3}};
  net.initialize(2);
  trainer t{net, softmax_cross_entropy{}, sgd{.rate = step_decay(0.3, 0.7, 5)}};
  const std::string path = folder;
  tensorboard_log log{path + "/logs", t};
  csv_log table{path + "/log.csv"};
  t.fit(train, {.epochs = 5, .batch = 8, .validation = &validation, .callbacks = {&log, &table}});
  std::string numbers;
  const auto add = [&](const std::string& name, const_matrix<B> m) {
    numbers += name;
    for (const float x : to_host(be, m)) numbers += " " + detail::digits_of(x);
    numbers += '\n';
  };
  for (const parameter& p : net.parameter_list()) {
    add("weights/" + p.name, std::as_const(net).parameters()[p.place]);
    add("gradients/" + p.name, t.gradients()[p.place]);
  }
  scratch::write(path + "/numbers.txt", numbers);
}

}  // namespace tensorboard_log_test
