#include "emulated/fibers.hpp"

#include <cstdint>
#include <string>
#include <utility>

#include "emulated/fail.hpp"

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

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

#if defined(__x86_64__)
// What a function leaves as it found it (System V ABI) goes onto the stack that is left. POSIX's
// swapcontext does as much with two system calls, which take most of a suite's time.
extern "C" void emulated_switch(void** from, void* to);
asm(R"(
.text
.type emulated_switch, @function
emulated_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size emulated_switch, . - emulated_switch
)");

using context = void*;

/// A context that begins with a call of `f`, which must not return.
void prepare(context& c, char* memory, void (*f)()) {
  constexpr std::uintptr_t registers = 6;
  // Of a stack that is a multiple of 16 where a function is called.
  auto* const top = reinterpret_cast<std::uintptr_t*>(
      (reinterpret_cast<std::uintptr_t>(memory) + stack_bytes) / 16 * 16 - 16);
  top[0] = reinterpret_cast<std::uintptr_t>(f);
  top[1] = 0;  // its caller
  for (std::uintptr_t i = 1; i <= registers; ++i) *(top - i) = 0;
  c = top - registers;
}
void swap(context& from, context& to) { emulated_switch(&from, to); }
#else
using context = ucontext_t;

void prepare(context& c, char* memory, void (*f)()) {
  ::getcontext(&c);
  c.uc_stack.ss_sp = memory;
  c.uc_stack.ss_size = stack_bytes;
  ::makecontext(&c, f, 0);
}
void swap(context& from, context& to) { ::swapcontext(&from, &to); }
#endif

context scheduler;
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
  int place = 0;       // where it waits
  unsigned count = 0;  // for how many, 0 for all
  bool is_ready = true;
  bool spins = false;
  context self{};
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

void fibers::wait(int place, unsigned count) {
  auto* const f = static_cast<fiber*>(running);
  f->place = place;
  f->count = count;
  f->is_ready = false;
  announce(&f->fake_stack, of_scheduler);
  swap(f->self, scheduler);
  arrive(f->fake_stack, &of_scheduler);
}

void fibers::spin() {
  static_cast<fiber*>(running)->spins = true;
  wait(0);
}

unsigned fibers::current() { return static_cast<fiber*>(running)->number; }

void fibers::resume(fiber& f) {
  running = &f;
  void* fake_stack = nullptr;
  announce(&fake_stack, {f.memory.get(), stack_bytes});
  swap(scheduler, f.self);
  arrive(fake_stack, nullptr);
}

void fibers::make(unsigned count) {
  while (all_.size() < count) {
    auto f = std::make_unique<fiber>();
    f->group = this;
    f->number = static_cast<unsigned>(all_.size());
    prepare(f->self, f->memory.get(), &fibers::begin);
    all_.push_back(std::move(f));
  }
}

void fibers::run(unsigned count, bool reversed, const std::function<void(unsigned)>& body) {
  make(count);
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

/// Lets the threads of a block go on that wait where as many wait as have to.
bool fibers::release(unsigned first, unsigned threads) {
  bool any = false;
  for (unsigned i = 0; i < threads; ++i) {
    const fiber& f = *all_[first + i];
    if (f.is_ready || f.is_done || f.spins) continue;
    unsigned here = 0;
    for (unsigned j = 0; j < threads; ++j) {
      const fiber& g = *all_[first + j];
      here += !g.is_ready && !g.is_done && !g.spins && g.place == f.place && g.count == f.count;
    }
    if (here < (f.count == 0 ? threads : f.count)) continue;
    const int place = f.place;
    const unsigned count = f.count;
    for (unsigned j = 0; j < threads; ++j)
      if (fiber& g = *all_[first + j]; !g.is_done && g.place == place && g.count == count)
        g.is_ready = true;
    any = true;
  }
  return any;
}

void fibers::run_grid(unsigned blocks, unsigned threads, bool reversed,
                      const std::function<void(unsigned)>& body,
                      const std::function<void(unsigned)>& enter,
                      const std::function<void(unsigned)>& leave) {
  const unsigned count = blocks * threads;
  make(count);
  body_ = &body;
  for (unsigned i = 0; i < count; ++i) {
    all_[i]->is_done = all_[i]->spins = false;
    all_[i]->is_ready = true;
  }
  for (bool is_over = false; !is_over;) {
    is_over = true;
    bool any = false;  // whether a thread has done something
    for (unsigned b = 0; b < blocks; ++b) {
      const unsigned block = reversed ? blocks - 1 - b : b;
      const unsigned first = block * threads;
      enter(block);
      const auto threads_of_block = [&](const auto& f) {
        for (unsigned i = 0; i < threads; ++i)
          if (!f(*all_[first + (reversed ? threads - 1 - i : i)])) return false;
        return true;
      };
      // Those that spin look again when nobody else of the block can go on.
      if (threads_of_block([](const fiber& f) { return !f.is_ready; }))
        threads_of_block([](fiber& f) { return f.is_ready = f.spins, true; });
      const auto resume_one = [&](fiber& f) {
        if (!f.is_ready) return true;
        const bool spun = std::exchange(f.spins, false);
        resume(f);
        any = any || !spun || !f.spins;
        return !f.spins;
      };
      // Where one spins, the others of its block wait: a barrier that they have not come to must
      // hold all the same.
      while (threads_of_block(resume_one) && release(first, threads)) any = true;
      leave(block);
      for (unsigned i = 0; i < threads; ++i) is_over = is_over && all_[first + i]->is_done;
    }
    if (!is_over && !any)
      fail("no thread can go on: threads of a grid of ", blocks, " blocks of ", threads,
           " wait for others that have ended or wait elsewhere");
  }
}

}  // namespace emulated
