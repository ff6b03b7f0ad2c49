#include "emulated/fibers.hpp"

#include <ucontext.h>

#include "emulated/fail.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define CHAINRULE_TESTS_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CHAINRULE_TESTS_ASAN
#endif
#endif
#ifdef CHAINRULE_TESTS_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace emulated {

namespace {

constexpr std::size_t stack_bytes = std::size_t{1} << 16;

/// A stack and what AddressSanitizer wants to be told when it is left for another.
struct stack {
  const void* bottom = nullptr;
  std::size_t bytes = 0;
};

ucontext_t scheduler;
stack of_scheduler;

/// Before and after a switch of stacks, for AddressSanitizer.
void announce([[maybe_unused]] void** save, [[maybe_unused]] const stack& to) {
#ifdef CHAINRULE_TESTS_ASAN
  __sanitizer_start_switch_fiber(save, to.bottom, to.bytes);
#endif
}
void arrive([[maybe_unused]] void* saved, [[maybe_unused]] stack* from) {
#ifdef CHAINRULE_TESTS_ASAN
  __sanitizer_finish_switch_fiber(saved, from != nullptr ? &from->bottom : nullptr,
                                  from != nullptr ? &from->bytes : nullptr);
#endif
}

}  // namespace

struct fibers::fiber {
  fibers* group = nullptr;
  unsigned number = 0;
  bool is_done = true;
  int place = 0;  // where it waits
  ucontext_t context{};
  void* fake_stack = nullptr;
  std::unique_ptr<char[]> memory{new char[stack_bytes]};
};

namespace {
void* running = nullptr;  // the fiber
}  // namespace

fibers::fibers() = default;
fibers::~fibers() = default;

/// The life of a fiber: a body after the other, for all runs.
void fibers::begin() {
  auto* const f = static_cast<fiber*>(running);
  arrive(nullptr, &of_scheduler);
  for (;;) {
    (*f->group->body_)(f->number);
    f->is_done = true;
    wait(0);
  }
}

void fibers::wait(int place) {
  auto* const f = static_cast<fiber*>(running);
  f->place = place;
  announce(&f->fake_stack, of_scheduler);
  ::swapcontext(&f->context, &scheduler);
  arrive(f->fake_stack, &of_scheduler);
}

unsigned fibers::current() { return static_cast<fiber*>(running)->number; }

void fibers::resume(fiber& f) {
  running = &f;
  void* fake_stack = nullptr;
  announce(&fake_stack, {f.memory.get(), stack_bytes});
  ::swapcontext(&scheduler, &f.context);
  arrive(fake_stack, nullptr);
}

void fibers::run(unsigned count, bool reversed, const std::function<void(unsigned)>& body) {
  while (all_.size() < count) {
    auto f = std::make_unique<fiber>();
    f->group = this;
    f->number = static_cast<unsigned>(all_.size());
    ::getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->memory.get();
    f->context.uc_stack.ss_size = stack_bytes;
    ::makecontext(&f->context, &fibers::begin, 0);
    all_.push_back(std::move(f));
  }
  body_ = &body;
  for (unsigned i = 0; i < count; ++i) all_[i]->is_done = false;
  for (bool is_over = false; !is_over;) {
    for (unsigned i = 0; i < count; ++i) resume(*all_[reversed ? count - 1 - i : i]);
    const fiber& first = *all_[0];
    for (unsigned i = 1; i < count; ++i) {
      const fiber& f = *all_[i];
      if (f.place == first.place) continue;
      const auto where = [](const fiber& of) {
        return of.is_done ? std::string("has ended") : "waits at line " + std::to_string(of.place);
      };
      fail("a divergent barrier: thread 0 of a block ", where(first), ", thread ", i, " ",
           where(f));
    }
    is_over = first.is_done;
  }
}

}  // namespace emulated
