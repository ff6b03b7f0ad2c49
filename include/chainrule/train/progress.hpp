/// \file
/// `progress`: shows how a training goes. On a terminal a line with a bar that is redrawn a few
/// times per second; everywhere, one plain line per epoch.
///
///     progress show;
///     t.fit(train, {.callbacks = {&show}});
///
/// Colour is used on a terminal unless the environment variable NO_COLOR is set (no-color.org).
#ifndef CHAINRULE_TRAIN_PROGRESS_HPP
#define CHAINRULE_TRAIN_PROGRESS_HPP

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "chainrule/core/text.hpp"
#include "chainrule/train/callback.hpp"

namespace chainrule {

class progress final : public callback {
 public:
  /// Writes to `out`.
  explicit progress(std::FILE* out = stdout)
      : progress(out, ::isatty(::fileno(out)) == 1, no_color()) {}
  /// Writes to `out`; `terminal` enables the redrawn line, `plain` disables colour.
  progress(std::FILE* out, bool terminal, bool plain)
      : out_(out), terminal_(terminal), color_(terminal && !plain) {}

  [[nodiscard]] bool is_for_first_rank() const override { return true; }
  [[nodiscard]] bool needs_gradients() const override { return false; }
  void on_batch_end(const batch_record& r) override {
    epochs_ = r.epochs;
    if (!terminal_) return;
    if (r.epoch == drawn_epoch_ && r.seconds < drawn_at_ + seconds_between_draws) return;
    drawn_epoch_ = r.epoch;
    drawn_at_ = r.seconds;
    std::fputs(line(r).c_str(), out_);
    std::fflush(out_);
  }

  void on_epoch_end(const epoch_record& r) override {
    if (terminal_) std::fputs(clear_line, out_);
    drawn_epoch_ = 0;  // the next fit begins with epoch 1 again
    std::fputs(line(r).c_str(), out_);
    std::fflush(out_);
  }

 private:
  static constexpr double seconds_between_draws = 0.1;
  static constexpr std::size_t widest_bar = 24;
  static constexpr std::size_t least_bar = 4;  // a smaller one says nothing and is left out
  static constexpr const char* clear_line = "\r\033[K";

  static bool no_color() {
    const char* set = std::getenv("NO_COLOR");
    return set != nullptr && *set != '\0';
  }

  /// "loss 0.1234  accuracy 0.9876"
  [[gnu::cold, gnu::noinline]] static std::string text_of(const metrics& m) {
    std::string text = detail::format("loss %.4f", m.loss);
    for (const metric_value& v : m.values)
      text += detail::concat("  ", v.name, detail::format(" %.4f", v.value));
    return text;
  }

  /// The columns of the terminal, or what they usually are.
  [[nodiscard]] std::size_t columns() const {
    struct winsize size = {};
    const bool known = ::ioctl(::fileno(out_), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : 80;
  }

  /// "epoch 3/10 [#####     ] 35000 samples/s  loss 0.1  accuracy 0.9  12 s left", within one line
  /// of the terminal: a longer one would wrap, and only its last line could be redrawn.
  [[nodiscard, gnu::cold]] std::string line(const batch_record& r) const {
    const double speed = r.seconds > 0 ? static_cast<double>(r.samples_done) / r.seconds : 0;
    const double left = static_cast<double>(r.samples - r.samples_done) +
                        static_cast<double>(r.epochs - r.epoch) * static_cast<double>(r.samples);
    const std::string head = detail::format("epoch %d/%d ", r.epoch, r.epochs);
    const std::string tail =
        detail::concat(detail::format(" %.0f samples/s  ", speed), text_of(r.so_far()),
                       speed > 0 ? detail::format("  %.0f s left", left / speed) : std::string());

    const std::size_t all = columns() - 1;  // a full line moves the cursor in some terminals
    if (head.size() + tail.size() + 2 + least_bar > all)
      return clear_line + detail::concat(head, tail).substr(0, all);
    const std::size_t width = std::min(widest_bar, all - head.size() - tail.size() - 2);
    const auto filled =
        static_cast<std::size_t>(r.samples_done) * width / static_cast<std::size_t>(r.samples);
    return detail::concat(clear_line, head, color_ ? "\033[32m" : "", "[",
                          detail::padded_right(std::string(filled, '#'), width), "]",
                          color_ ? "\033[0m" : "", tail);
  }

  /// "epoch  3/10  loss 0.1  accuracy 0.9  validation loss ...  1.2 s  50000 samples/s"
  [[nodiscard, gnu::cold]] std::string line(const epoch_record& r) const {
    const double speed = r.seconds > 0 ? static_cast<double>(r.samples) / r.seconds : 0;
    return detail::concat(
        detail::format("epoch %2d/%d  ", r.epoch, epochs_), text_of(r.training),
        r.validated ? detail::concat("  validation ", text_of(r.validation)) : std::string(),
        detail::format("  %.2f s", r.seconds),
        r.seconds > 0 ? detail::format("  %.0f samples/s", speed) : std::string(), "\n");
  }

  std::FILE* out_;
  bool terminal_;
  bool color_;
  int epochs_ = 0;
  int drawn_epoch_ = 0;
  double drawn_at_ = 0;
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_PROGRESS_HPP
