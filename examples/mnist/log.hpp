/// \file
/// The figures of each epoch as lines of a CSV file.
#ifndef CHAINRULE_EXAMPLES_MNIST_LOG_HPP
#define CHAINRULE_EXAMPLES_MNIST_LOG_HPP

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "chainrule/core/error.hpp"
#include "chainrule/train/history.hpp"

/// Writes a line per epoch, at once, so that an interrupted run leaves what it reached.
class csv_log final : public chainrule::callback {
 public:
  /// Does nothing if `path` is empty. Throws io_error if the file cannot be written.
  explicit csv_log(const std::string& path) : path_(path) {
    if (path.empty()) return;
    file_ = std::fopen(path.c_str(), "w");
    if (file_ == nullptr) fail();
    std::fputs("epoch,loss,accuracy,validation_loss,validation_accuracy,seconds,rate\n", file_);
    flush();
  }
  ~csv_log() override {
    if (file_ != nullptr) std::fclose(file_);
  }

  void on_epoch_end(const chainrule::epoch_record& r) override {
    if (file_ == nullptr) return;
    std::fprintf(file_, "%d,%.9g,%.9g,%.9g,%.9g,%.3f,%.9g\n", r.epoch, r.training.loss,
                 r.training.accuracy, r.validation.loss, r.validation.accuracy, r.seconds, r.rate);
    flush();
  }

 private:
  void flush() const {
    if (std::fflush(file_) != 0) fail();
  }
  [[noreturn]] void fail() const {
    throw chainrule::io_error(path_ + ": cannot write the log: " + std::strerror(errno));
  }

  std::string path_;
  std::FILE* file_ = nullptr;
};

#endif  // CHAINRULE_EXAMPLES_MNIST_LOG_HPP
