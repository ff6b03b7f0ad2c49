// Ctrl-C ends a training after the batch under way.
#include "chainrule/train/interrupt.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include "support/catch.hpp"
#include "train/numbered.hpp"

namespace interrupt_test {

using namespace training;

namespace {

volatile std::sig_atomic_t own_handler_calls = 0;

/// Sends this process a signal within batch number `batch`.
class sender final : public callback {
 public:
  sender(int number, int batch) : number_(number), left_(batch) {}
  void on_batch_end(const batch_record&) override {
    if (--left_ == 0) ::raise(number_);
  }

 private:
  int number_;
  int left_;
};

}  // namespace

TEST_CASE("a signal ends the training after the batch under way") {
  const int number = GENERATE(SIGINT, SIGTERM);
  const numbered all(10);
  auto net = line();
  std::vector<seen_batch> seen;
  trainer t{net, recording_loss{&seen}, sgd{0}};
  stop_on_interrupt interrupt;
  CHECK(!interrupt.happened());
  sender send(number, 5);
  const history h =
      t.fit(all.data(), {.epochs = 100, .batch = 4, .callbacks = {&interrupt, &send}});
  CHECK(interrupt.happened());
  CHECK(h.reason == stop_reason::asked);
  CHECK(h.message == "interrupted");
  CHECK(t.steps() == 5);
  REQUIRE(h.epochs.size() == 2);
  CHECK(h.epochs[1].samples == 8);
}

TEST_CASE("a new one has not seen the signals of the one before") {
  {
    const stop_on_interrupt interrupt;
    ::raise(SIGINT);
    CHECK(interrupt.happened());
    CHECK(interrupt.should_stop() == "interrupted");
  }
  const stop_on_interrupt next;
  CHECK(!next.happened());
  CHECK(next.should_stop().empty());
}

TEST_CASE("the program's own handlers are put back") {
  struct sigaction own = {};
  own.sa_handler = [](int) { own_handler_calls = own_handler_calls + 1; };
  struct sigaction before = {};
  ::sigaction(SIGINT, &own, &before);
  own_handler_calls = 0;
  {
    const stop_on_interrupt interrupt;
    ::raise(SIGINT);
    CHECK(interrupt.happened());
  }
  CHECK(own_handler_calls == 0);
  ::raise(SIGINT);
  CHECK(own_handler_calls == 1);
  ::sigaction(SIGINT, &before, nullptr);
}

TEST_CASE("a second signal ends the program at once") {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::signal(SIGINT, SIG_DFL);
    const stop_on_interrupt interrupt;
    ::raise(SIGINT);
    if (interrupt.happened()) ::raise(SIGINT);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGINT);
}

}  // namespace interrupt_test
