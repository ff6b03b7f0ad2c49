/// \file
/// Counts what a program asks the heap for: every operator new, and with glibc every malloc,
/// calloc, realloc and aligned form, from any thread and from within libraries.
///
/// To be included by one file of an executable: it replaces these functions. Under a sanitizer,
/// which does the same, it counts nothing.
#ifndef CHAINRULE_TESTS_NETWORK_ALLOCATIONS_HPP
#define CHAINRULE_TESTS_NETWORK_ALLOCATIONS_HPP

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CHAINRULE_TESTS_COUNT_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define CHAINRULE_TESTS_COUNT_ALLOCATIONS 0
#endif
#endif
#ifndef CHAINRULE_TESTS_COUNT_ALLOCATIONS
#define CHAINRULE_TESTS_COUNT_ALLOCATIONS 1
#endif

namespace allocations {
inline constexpr bool counted = CHAINRULE_TESTS_COUNT_ALLOCATIONS != 0;
inline std::atomic<long> count{0};
}  // namespace allocations

#if CHAINRULE_TESTS_COUNT_ALLOCATIONS

#if defined(__GLIBC__)
// The functions of C, under the names by which glibc keeps them reachable.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t size) noexcept {
  allocations::count.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) noexcept {
  allocations::count.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(number, size);
}
void* realloc(void* p, std::size_t size) noexcept {
  allocations::count.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(p, size);
}
void* memalign(std::size_t alignment, std::size_t size) noexcept {
  allocations::count.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return memalign(alignment, size);
}
int posix_memalign(void** p, std::size_t alignment, std::size_t size) noexcept {
  *p = memalign(alignment, size);
  return *p == nullptr ? ENOMEM : 0;
}
}
#endif

// The operators, for C libraries other than glibc. (Where malloc counts, these count once more:
// what matters is whether the number is 0.) The other forms call these. Not inlined: a compiler
// that sees malloc behind new takes the pair for a mistake.
[[gnu::noinline]] void* operator new(std::size_t size) {
  allocations::count.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  allocations::count.fetch_add(1, std::memory_order_relaxed);
  const auto a = static_cast<std::size_t>(alignment);
  if (void* p = std::aligned_alloc(a, (size + a - 1) / a * a)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  std::free(p);
}

#endif

#endif  // CHAINRULE_TESTS_NETWORK_ALLOCATIONS_HPP
