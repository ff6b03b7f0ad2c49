// Logs of a training as text: CSV and JSON lines.
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/data/csv.hpp"
#include "chainrule/io/log_file.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/multiclass_hinge.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/csv_log.hpp"
#include "chainrule/train/json_lines_log.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "train/three_classes.hpp"

namespace text_logs_test {

using namespace chainrule;
using scratch::complaint;
using scratch::contains;
using support::three_classes;

namespace {

using B = cpu;

/// A metric whose name needs quotes in both formats.
struct awkward {
  static constexpr const char* name = "a, \"b\"\t";
  template <backend Any>
  void operator()(const Any& be, const metric_input<Any>&, matrix<Any> out) const {
    be.map(fn::fill{0.1}, out);
  }
};

/// Reads a log when the callbacks before this one have seen the epoch.
struct reader final : callback {
  std::string path;
  std::vector<std::string> contents;
  explicit reader(std::string p) : path(std::move(p)) {}
  void on_epoch_end(const epoch_record&) override { contents.push_back(scratch::read(path)); }
};

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  const std::string text = scratch::read(path);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string::npos) FAIL("the last line of " << path << " has no end");
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

epoch_record record(double loss) {
  epoch_record r;
  r.epoch = 1;
  r.seconds = 0.5;
  r.rate = 0.1;
  r.samples = 3;
  r.training.loss = loss;
  r.training.values = {{"a", 1e-300}, {"b", 2}};
  return r;
}

fit_record begin(std::vector<std::string> names, std::int64_t epochs_done = 0) {
  fit_record r;
  r.metric_names = std::move(names);
  r.epochs_done = epochs_done;
  return r;
}

constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("a CSV log gives back the history to the bit", "[train][logs]") {
  const scratch::folder folder;
  const B be;
  const auto train = three_classes(be, 20);
  const auto validation = three_classes(be, 9);
  network net{be, dense{4, 3}};
  trainer t{net,
            softmax_cross_entropy{},
            sgd{.rate = step_decay(0.3, 0.7, 5)},
            {accuracy{}, multiclass_hinge{}, awkward{}}};
  csv_log log{folder / "log.csv"};
  const history h =
      t.fit(train, {.epochs = 3, .batch = 4, .validation = &validation, .callbacks = {&log}});

  const table epochs = read_csv(folder / "log.csv");
  CHECK(epochs.names() == std::vector<std::string>{"epoch", "seconds", "rate", "samples", "loss",
                                                   "accuracy", "multiclass hinge", "a, \"b\"\t",
                                                   "validation_loss", "validation_accuracy",
                                                   "validation_multiclass hinge",
                                                   "validation_a, \"b\"\t"});
  REQUIRE(epochs.rows() == 3);
  const host_matrix numbers = epochs.values(epochs.names());
  for (index_t i = 0; i < 3; ++i) {
    const epoch_record& r = h.epochs[static_cast<std::size_t>(i)];
    std::vector<double> expected{static_cast<double>(i + 1), r.seconds, r.rate, 20};
    for (const metrics* m : {&r.training, &r.validation}) {
      expected.push_back(m->loss);
      for (const metric_value& v : m->values) expected.push_back(v.value);
    }
    REQUIRE(expected.size() == 12);
    for (index_t c = 0; c < 12; ++c) {
      CAPTURE(i, c);
      CHECK(numbers(i, c) == expected[static_cast<std::size_t>(c)]);
    }
  }
}

TEST_CASE("each line of a log is in the file when its epoch ends", "[train][logs]") {
  const scratch::folder folder;
  const B be;
  const auto data = three_classes(be, 20);
  network net{be, dense{4, 3}};
  trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  csv_log csv{folder / "log.csv"};
  json_lines_log json{folder / "log.jsonl"};
  reader of_csv(folder / "log.csv"), of_json(folder / "log.jsonl");
  t.fit(data, {.epochs = 2, .callbacks = {&csv, &json, &of_csv, &of_json}});
  REQUIRE(of_csv.contents.size() == 2);
  for (const auto* contents : {&of_csv.contents, &of_json.contents}) {
    CHECK((*contents)[0].ends_with('\n'));
    CHECK((*contents)[1].starts_with((*contents)[0]));
    CHECK((*contents)[1].size() > (*contents)[0].size());
  }
  CHECK(of_csv.contents[1] == scratch::read(folder / "log.csv"));
}

TEST_CASE("a training that is killed leaves whole lines", "[train][logs]") {
  const scratch::folder folder;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const B be{1};  // no threads in a forked process
    const auto data = three_classes(be, 20);
    network net{be, dense{4, 3}};
    trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
    csv_log csv{folder / "log.csv"};
    json_lines_log json{folder / "log.jsonl", {.every = 1}};
    t.fit(data, {.epochs = 100000, .batch = 4, .callbacks = {&csv, &json}});
    ::_exit(0);
  }
  const auto size_of = [&](const char* name) {
    struct stat status {};
    return ::stat((folder / name).c_str(), &status) == 0 ? status.st_size : 0;
  };
  for (int tries = 0; tries < 3000 && size_of("log.csv") < 2000; ++tries) ::usleep(10000);
  ::kill(child, SIGKILL);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  const auto csv = lines_of(folder / "log.csv");
  CHECK(csv.size() > 10);
  for (const std::string& line : csv) CHECK(std::count(line.begin(), line.end(), ',') == 7);
  const auto json = lines_of(folder / "log.jsonl");
  CHECK(json.size() > 50);
  for (const std::string& line : json) CHECK((line.front() == '{' && line.back() == '}'));
}

TEST_CASE("logs count the epochs of all calls of fit", "[train][logs]") {
  const scratch::folder folder;
  const B be;
  const auto data = three_classes(be, 20);
  const auto fit = [&](trainer<B>& t, int epochs, bool append) {
    csv_log csv{folder / "log.csv", {.append = append}};
    json_lines_log json{folder / "log.jsonl", {.append = append}};
    t.fit(data, {.epochs = epochs, .batch = 8, .callbacks = {&csv, &json}});
    t.fit(data, {.epochs = 1, .batch = 8, .callbacks = {&csv, &json}});
  };
  network net{be, dense{4, 3}};
  trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  fit(t, 2, false);
  // Another program resumes the training, and goes on in its logs.
  network again{be, dense{4, 3}};
  trainer resumed{again, softmax_cross_entropy{}, sgd{0.1}};
  resumed.resume_from(t);
  fit(resumed, 1, true);

  const table epochs = read_csv(folder / "log.csv", {.missing = missing_values::as_nan});
  const host_matrix numbers = epochs.values({"epoch"});
  REQUIRE(epochs.rows() == 5);
  const auto json = lines_of(folder / "log.jsonl");
  REQUIRE(json.size() == 5);
  for (index_t i = 0; i < 5; ++i) {
    CHECK(numbers(i, 0) == static_cast<double>(i + 1));
    CHECK(json[static_cast<std::size_t>(i)].starts_with(
        detail::concat("{\"kind\":\"epoch\",\"epoch\":", i + 1, ",")));
  }
  fit(resumed, 1, false);  // a new log
  CHECK(lines_of(folder / "log.csv").size() == 3);
  CHECK(lines_of(folder / "log.jsonl").size() == 2);
}

TEST_CASE("an epoch that is continued keeps its number", "[train][logs]") {
  struct stopper final : callback {
    bool stop = false;
    void on_batch_end(const batch_record& r) override { stop = r.step == 4; }
    [[nodiscard]] std::string_view should_stop() const override { return stop ? "asked" : ""; }
  } after_four;
  const scratch::folder folder;
  const B be;
  const auto data = three_classes(be, 20);
  network net{be, dense{4, 3}};
  trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  csv_log log{folder / "log.csv"};
  t.fit(data, {.epochs = 9, .batch = 8, .callbacks = {&log, &after_four}});  // 3 steps an epoch
  t.fit(data, {.epochs = 2, .batch = 8, .callbacks = {&log}});
  const table epochs = read_csv(folder / "log.csv", {.missing = missing_values::as_nan});
  const host_matrix numbers = epochs.values({"epoch", "samples"});
  REQUIRE(epochs.rows() == 4);
  const double expected[4][2] = {{1, 20}, {2, 8}, {2, 12}, {3, 20}};
  for (index_t i = 0; i < 4; ++i)
    for (index_t c = 0; c < 2; ++c) CHECK(numbers(i, c) == expected[i][c]);
}

TEST_CASE("a CSV log names what was not measured, and what is not finite", "[train][logs]") {
  const scratch::folder folder;
  csv_log log{folder / "log.csv"};
  log.on_fit_begin(begin({"a", "b"}));
  epoch_record r = record(-infinity);
  log.on_epoch_end(r);
  r.epoch = 2;
  r.training.loss = std::numeric_limits<double>::quiet_NaN();
  r.validated = true;
  r.validation.loss = 1.0 / 3;
  r.validation.values = {{"b", 3}};
  log.on_epoch_end(r);
  const auto lines = lines_of(folder / "log.csv");
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] ==
        "epoch,seconds,rate,samples,loss,a,b,validation_loss,validation_a,validation_b");
  CHECK(lines[1] == "1,0.5,0.1,3,-inf,1e-300,2,,,");
  CHECK(lines[2] == "2,0.5,0.1,3,nan,1e-300,2,0.3333333333333333,,3");
}

TEST_CASE("JSON lines hold epochs, and batches if asked", "[train][logs]") {
  const scratch::folder folder;
  json_lines_log log{folder / "log.jsonl", {.every = 2}};
  log.on_fit_begin(begin({}, 4));
  batch_record b;
  b.epoch = 1;
  b.samples_done = 64;
  b.size = 32;
  b.seconds = 0.25;
  b.rate = 0.1;
  b.mean_loss = [](const void*, index_t first, index_t count) {
    return static_cast<double>(first) + static_cast<double>(count) / 64;
  };
  for (b.step = 101; b.step <= 103; ++b.step) log.on_batch_end(b);
  epoch_record r = record(infinity);
  r.training.values = {{"a \"b\" \\ \t", 0.1}};
  log.on_epoch_end(r);
  r.validated = true;
  r.validation.loss = -0.5;
  r.validation.values = {{"a", std::numeric_limits<double>::quiet_NaN()}};
  log.on_epoch_end(r);
  const auto lines = lines_of(folder / "log.jsonl");
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] == R"({"kind":"batch","epoch":5,"step":102,"seconds":0.25,"rate":0.1,)"
                    R"("samples":64,"loss":32.5})");
  const std::string epoch =
      R"({"kind":"epoch","epoch":5,"seconds":0.5,"rate":0.1,"samples":3,"loss":null,)"
      R"("a \"b\" \\ \u0009":0.1)";
  CHECK(lines[1] == epoch + "}");
  CHECK(lines[2] == epoch + R"(,"validation_loss":-0.5,"validation_a":null})");
}

TEST_CASE("the loss of a logged batch is that of the batch", "[train][logs]") {
  struct losses final : callback {
    std::vector<double> all;
    void on_batch_end(const batch_record& r) override { all.push_back(r.loss()); }
  } seen;
  const scratch::folder folder;
  const B be;
  const auto data = three_classes(be, 20);
  network net{be, dense{4, 3}};
  trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  json_lines_log log{folder / "log.jsonl", {.every = 3}};
  t.fit(data, {.epochs = 2, .batch = 4, .callbacks = {&log, &seen}});
  std::vector<std::string> of_batches;
  for (const std::string& line : lines_of(folder / "log.jsonl"))
    if (contains(line, "\"kind\":\"batch\"")) of_batches.push_back(line);
  REQUIRE(of_batches.size() == 3);  // of 10 steps
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(contains(of_batches[i], detail::concat("\"step\":", 3 * i + 3, ",")));
    CHECK(of_batches[i].ends_with("\"loss\":" + detail::digits_of(seen.all[3 * i + 2]) + "}"));
  }
}

TEST_CASE("a log that cannot be written is refused before the training", "[train][logs]") {
  const scratch::folder folder;
  const std::string path = folder / "no/log";
  const std::string expected = "cannot write '" + path + "': No such file or directory";
  const auto begun = [](callback& log) {
    return complaint<io_error>([&] { log.on_fit_begin(begin({})); });
  };
  csv_log csv{path};
  json_lines_log json{path};
  csv_log in_folder{folder.path()};
  CHECK(begun(csv) == expected);
  CHECK(begun(json) == expected);
  CHECK(begun(in_folder) == "cannot write '" + folder.path() + "': Is a directory");
  CHECK(contains(complaint<value_error>([&] { json_lines_log(folder / "log", {.every = -1}); }),
                 "every -1th step"));
  if (::access("/dev/full", W_OK) == 0) {  // a full disk
    csv_log full{"/dev/full"};
    CHECK(contains(begun(full), "cannot write '/dev/full': "));
  }
}

TEST_CASE("lines of another form are not appended", "[train][logs]") {
  const scratch::folder folder;
  const std::string path = folder / "log.csv";
  {
    csv_log log{path, {.append = true}};  // a file that is not there yet
    log.on_fit_begin(begin({"a", "b"}));
    log.on_epoch_end(record(1));
  }
  const std::string before = scratch::read(path);
  csv_log other{path, {.append = true}};
  CHECK(complaint<format_error>([&] {
          other.on_fit_begin(begin({"a", "c"}));
        }) ==
        "cannot append to '" + path +
            "': its columns are 'epoch,seconds,rate,samples,loss,a,b,validation_loss,validation_a,"
            "validation_b', those of this training are 'epoch,seconds,rate,samples,loss,a,c,"
            "validation_loss,validation_a,validation_c'; write another file");
  CHECK(scratch::read(path) == before);

  scratch::write(path, before + "2,0.5");  // the disk was full
  csv_log csv{path, {.append = true}};
  json_lines_log json{path, {.append = true}};
  for (int repetition = 0; repetition < 2; ++repetition)  // nor after that was refused
    for (callback* const log : {static_cast<callback*>(&csv), static_cast<callback*>(&json)})
      CHECK(contains(complaint<format_error>([&] {
                       log->on_fit_begin(begin({"a", "b"}));
                     }),
                     "its last line has no end"));
  CHECK(scratch::read(path) == before + "2,0.5");
}

TEST_CASE("a record that cannot be written whole leaves no part", "[train][logs]") {
  const scratch::folder folder;
  const std::string path = folder / "short.log";
  log_file file(path, false);
  file.write("first\n");
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);  // the write fails instead
  const rlimit small{10, old.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::string said;
  try {
    file.write("second\n");  // of which four bytes fit
  } catch (const io_error& e) {
    said = e.what();
  }
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
  std::signal(SIGXFSZ, handler);
  CHECK(said.find("cannot write '" + path) == 0);
  file.write("third\n");
  std::ifstream in(path);
  CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == "first\nthird\n");
}

}  // namespace text_logs_test
