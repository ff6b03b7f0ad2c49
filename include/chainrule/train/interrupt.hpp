/// \file
/// `stop_on_interrupt`: while it lives, Ctrl-C (SIGINT) and SIGTERM end a training after the batch
/// under way instead of the program; a second one ends the program at once.
///
///     stop_on_interrupt interrupt;
///     history h = t.fit(train, {.callbacks = {&interrupt}});
///     if (interrupt.happened()) ...
///
/// One at a time in a program: handlers of signals belong to the process.
#ifndef CHAINRULE_TRAIN_INTERRUPT_HPP
#define CHAINRULE_TRAIN_INTERRUPT_HPP

#include <csignal>

#include <signal.h>

#include "chainrule/train/callback.hpp"

namespace chainrule {

class stop_on_interrupt final : public callback {
 public:
  /// Takes over SIGINT and SIGTERM.
  stop_on_interrupt() {
    caught() = 0;
    struct sigaction action = {};
    action.sa_handler = [](int number) {
      caught() = number;
      // The next one is the system's again.
      ::signal(number, SIG_DFL);
    };
    ::sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGINT, &action, &old_interrupt_);
    ::sigaction(SIGTERM, &action, &old_terminate_);
  }
  /// Gives both signals their handlers back.
  ~stop_on_interrupt() override {
    ::sigaction(SIGINT, &old_interrupt_, nullptr);
    ::sigaction(SIGTERM, &old_terminate_, nullptr);
  }

  /// Whether a signal came since the object was made.
  [[nodiscard]] bool happened() const { return caught() != 0; }
  [[nodiscard]] std::string_view should_stop() const override {
    return happened() ? "interrupted" : std::string_view{};
  }

 private:
  // What a handler may write. It is a function's static so that the header needs no source file;
  // the constructor has run it before a handler can.
  static volatile std::sig_atomic_t& caught() {
    static volatile std::sig_atomic_t number = 0;
    return number;
  }

  struct sigaction old_interrupt_ = {};
  struct sigaction old_terminate_ = {};
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_INTERRUPT_HPP
