#include "limits/heap.hpp"

#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "support/catch.hpp"

namespace {

void count(void* p) {
  heap::blocks.fetch_add(1);
  const auto size = static_cast<long long>(::malloc_usable_size(p));
  const long long now = heap::bytes.fetch_add(size) + size;
  for (long long most = heap::most_bytes; now > most;)
    if (heap::most_bytes.compare_exchange_weak(most, now)) break;
}

template <class Allocate>
void* allocate(std::size_t size, Allocate&& from_system) {
  // Counts down to -2, which is "it has failed": stop() tells it from "it never came to that".
  bool fails = size >= heap::too_large;
  for (long left = heap::left; left >= 0;)
    if (heap::left.compare_exchange_weak(left, left == 0 ? -2 : left - 1)) {
      fails = fails || left == 0;
      break;
    }
  void* const p = fails ? nullptr : from_system();
  if (p == nullptr) throw std::bad_alloc();
  count(p);
  return p;
}

void release(void* p) {
  if (p == nullptr) return;
  const std::size_t size = ::malloc_usable_size(p);
  std::memset(p, 0xFF, size);
  heap::blocks.fetch_sub(1);
  heap::bytes.fetch_sub(static_cast<long long>(size));
  std::free(p);
}

}  // namespace

// Not inlined: a compiler that sees malloc behind new takes the pair for a mistake.
[[gnu::noinline]] void* operator new(std::size_t size) {
  return allocate(size, [&] { return std::malloc(size == 0 ? 1 : size); });
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto a = static_cast<std::size_t>(alignment);
  return allocate(size, [&] { return std::aligned_alloc(a, (size + a - 1) / a * a); });
}
// All forms: those of a sanitizer would not go with these.
void* operator new[](std::size_t size) { return ::operator new(size); }
void* operator new[](std::size_t size, std::align_val_t a) { return ::operator new(size, a); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return ::operator new(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new[](std::size_t size, const std::nothrow_t& no) noexcept {
  return ::operator new(size, no);
}
#define CHAINRULE_TESTS_DELETE(...)                                                    \
  [[gnu::noinline]] void operator delete(void* p __VA_ARGS__) noexcept { release(p); } \
  [[gnu::noinline]] void operator delete[](void* p __VA_ARGS__) noexcept { release(p); }
CHAINRULE_TESTS_DELETE()
CHAINRULE_TESTS_DELETE(, std::size_t)
CHAINRULE_TESTS_DELETE(, std::align_val_t)
CHAINRULE_TESTS_DELETE(, std::size_t, std::align_val_t)
CHAINRULE_TESTS_DELETE(, const std::nothrow_t&)

TEST_CASE("an allocation can be made to fail, and is counted") {
  const long blocks = heap::blocks;
  std::unique_ptr<int> second;
  bool failed = false;
  heap::fail_after(1);
  auto first = std::make_unique<int>(1);
  try {
    second = std::make_unique<int>(2);
  } catch (const std::bad_alloc&) {
    failed = true;
  }
  const auto third = std::make_unique<int>(3);
  const bool stopped = heap::stop();
  CHECK(failed);
  CHECK(stopped);
  CHECK(heap::blocks == blocks + 2);
  first.reset();
  CHECK(heap::blocks == blocks + 1);

  heap::fail_after(1000);
  const auto fourth = std::make_unique<int>(4);
  CHECK_FALSE(heap::stop());
  CHECK_THROWS_AS(std::vector<char>(heap::too_large), std::bad_alloc);
}
