// The progress line, on a terminal and elsewhere.
#include "chainrule/train/progress.hpp"

#include <cstdlib>
#include <vector>

#include "support/catch.hpp"

namespace progress_test {

using namespace chainrule;

namespace {

/// A file without a name, and what was written to it.
class temporary {
 public:
  temporary() : file_(std::tmpfile()) { REQUIRE(file_ != nullptr); }
  temporary(const temporary&) = delete;
  temporary& operator=(const temporary&) = delete;
  ~temporary() { std::fclose(file_); }

  [[nodiscard]] std::FILE* file() const { return file_; }
  [[nodiscard]] std::string text() const {
    std::string all;
    std::rewind(file_);
    for (int c = std::fgetc(file_); c != EOF; c = std::fgetc(file_)) all += static_cast<char>(c);
    return all;
  }

 private:
  std::FILE* file_;
};

metrics measured(double loss) {
  metrics m;
  m.loss = loss;
  return m;
}
metrics measured(double loss, double accuracy) {
  metrics m = measured(loss);
  m.accuracy = accuracy;
  m.values = {{"accuracy", accuracy}};
  return m;
}

/// A report on 1000 samples, of which so many are done after so many seconds.
batch_record report(index_t done, double seconds, int epoch = 2) {
  batch_record r;
  r.epoch = epoch;
  r.epochs = 3;
  r.samples_done = done;
  r.samples = 1000;
  r.seconds = seconds;
  r.measure = [](const void*, index_t, index_t count) {
    return measured(static_cast<double>(count) / 1000, 0.5);
  };
  return r;
}

epoch_record record(int epoch) {
  epoch_record r;
  r.epoch = epoch;
  r.training = measured(0.25, 0.875);
  r.samples = 1000;
  r.seconds = 0.5;
  return r;
}

/// What a program with three batches and an epoch shows.
std::string shown(bool terminal, bool plain) {
  const temporary out;
  progress line(out.file(), terminal, plain);
  line.on_batch_end(report(250, 0.05));
  line.on_batch_end(report(300, 0.10));  // too soon to draw again
  line.on_batch_end(report(500, 0.25));
  line.on_epoch_end(record(2));
  return out.text();
}

const std::string epoch_line = "epoch  2/3  loss 0.2500  accuracy 0.8750  0.50 s  2000 samples/s\n";

}  // namespace

TEST_CASE("not on a terminal: one plain line per epoch") {
  CHECK(shown(false, false) == epoch_line);
  CHECK(shown(false, true) == epoch_line);
}

TEST_CASE("on a terminal: a bar that is drawn anew a few times per second") {
  // 80 columns, as the terminal's size is not known: 79 characters, so the bar has what is left.
  const std::string clear = "\r\033[K";
  CHECK(shown(true, true) ==
        clear + "epoch 2/3 [###         ] 5000 samples/s  loss 0.2500  accuracy 0.5000  0 s left" +
            clear +
            "epoch 2/3 [######      ] 2000 samples/s  loss 0.5000  accuracy 0.5000  1 s left" +
            clear + epoch_line);
}

TEST_CASE("colour only where it is wanted") {
  std::string coloured = shown(true, false);
  CHECK(coloured.find("\033[32m[###         ]\033[0m") != std::string::npos);
  for (const std::string code : {"\033[32m", "\033[0m"})
    for (auto at = coloured.find(code); at != std::string::npos; at = coloured.find(code))
      coloured.erase(at, code.size());
  CHECK(coloured == shown(true, true));
}

TEST_CASE("the first batch of a second fit is drawn at once") {
  const temporary out;
  progress line(out.file(), true, true);
  line.on_batch_end(report(1000, 0.9, 1));
  line.on_epoch_end(record(1));
  line.on_batch_end(report(10, 0.01, 1));
  CHECK(out.text().find("epoch 1/3", out.text().find("samples/s\n")) != std::string::npos);
}

TEST_CASE("a new epoch is drawn at once, and the line never wraps") {
  const temporary out;
  progress line(out.file(), true, true);
  line.on_batch_end(report(900, 0.9, 1));
  line.on_batch_end(report(10, 0.01, 2));
  batch_record slow = report(1, 1e7, 3);
  slow.samples = 2000000000;
  line.on_batch_end(slow);
  const std::string text = out.text();
  CHECK(text.find("epoch 1/3") != std::string::npos);
  CHECK(text.find("epoch 2/3") != std::string::npos);
  CHECK(text.find("epoch 3/3") != std::string::npos);
  std::size_t in_line = 0;
  for (const char c : text) {
    in_line = c == '\r' ? 0 : in_line + 1;
    CHECK(in_line <= 79 + 3);  // and the three characters that clear the line
  }
}

TEST_CASE("metrics that were not measured are left out, those of validation are shown") {
  const temporary out;
  progress line(out.file(), false, false);
  line.on_batch_end(report(1, 0));
  epoch_record r = record(3);
  r.training = measured(2);
  r.validated = true;
  r.validation = measured(1.5, 0.25);
  line.on_epoch_end(r);
  r.validation = measured(3);
  r.validation.values = {{"top-5 accuracy", 0.75}, {"error", 1}};  // by name
  r.seconds = 0;
  line.on_epoch_end(r);
  r.validation = measured(std::numeric_limits<double>::quiet_NaN());
  line.on_epoch_end(r);
  CHECK(out.text() ==
        "epoch  3/3  loss 2.0000  validation loss 1.5000  accuracy 0.2500  0.50 s  2000 "
        "samples/s\n"
        "epoch  3/3  loss 2.0000  validation loss 3.0000  top-5 accuracy 0.7500  error 1.0000  "
        "0.00 s\n"
        "epoch  3/3  loss 2.0000  validation loss nan  0.00 s\n");
}

TEST_CASE("a file is no terminal") {
  const temporary out;
  progress line(out.file());
  line.on_batch_end(report(500, 0.25));
  line.on_epoch_end(record(2));
  CHECK(out.text() == epoch_line);
}

}  // namespace progress_test
