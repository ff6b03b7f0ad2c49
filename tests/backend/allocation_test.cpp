// The verbs allocate nothing once they are warm. Everything in this program that allocates is
// counted, operator new too: malloc and its kin are ours where glibc lets us stand in for them, and
// report to us where a sanitizer stands there already.
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/pointwise/activations.hpp"
#include "support/catch.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CHAINRULE_TESTS_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CHAINRULE_TESTS_SANITIZED
#endif
#endif

#if defined(CHAINRULE_TESTS_SANITIZED) || defined(__GLIBC__)

static std::atomic<long> allocations{0};

#ifdef CHAINRULE_TESTS_SANITIZED
// From <sanitizer/allocator_interface.h>, which not every compiler installs.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void*,
                                                                  std::size_t),
                                                         void (*)(const volatile void*));
static const int installed = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t) { ++allocations; }, [](const volatile void*) {});
#else
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  ++allocations;
  return __libc_calloc(count, size);
}
void* realloc(void* p, std::size_t size) {
  ++allocations;
  return __libc_realloc(p, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  ++allocations;
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  ++allocations;
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** p, std::size_t alignment, std::size_t size) {
  ++allocations;
  *p = __libc_memalign(alignment, size);
  return *p == nullptr ? ENOMEM : 0;
}
}
#endif

using chainrule::index_t;
using chainrule::matrix_view;
namespace fn = chainrule::fn;

TEST_CASE("the counter counts") {
#ifdef CHAINRULE_TESTS_SANITIZED
  REQUIRE(installed > 0);
#endif
  const long before = allocations;
  // Not a new-expression, nor a vector: those a compiler may leave out.
  void* const plain = ::operator new(100);
  const long middle = allocations;
  const chainrule::cpu_storage<float> aligned(100);
  const long after = allocations;
  ::operator delete(plain);
  CHECK(middle == before + 1);
  CHECK(after == middle + 1);
}

TEMPLATE_TEST_CASE("verbs allocate nothing once they are warm", "", float, double) {
  using T = TestType;
  const chainrule::basic_cpu<T> be(2);
  constexpr index_t n = 150;
  const auto storage = be.allocate(4 * n * n);
  const auto matrix = [&](index_t i) { return matrix_view<T>(storage.data() + i * n * n, n, n); };
  const matrix_view<T> a = matrix(0);
  const matrix_view<T> b = matrix(1);
  const matrix_view<T> c = matrix(2);
  const matrix_view<T> small(matrix(3).data(), 1, n);
  const matrix_view<T> column(matrix(3).data(), n, 1);
  const matrix_view<T> one(matrix(3).data(), 1, 1);
  std::vector<std::int32_t> rows(n, 3);

  const auto step = [&] {
    be.random(a, 1, 2);
    be.random(b, 3, 4);
    be.random(small, 5, 6);
    be.gemm(c, a, b);
    be.gemm(c, a, transposed(b), {1, 0}, chainrule::add_bias_then<chainrule::relu>{}, small);
    be.gemm(c, transposed(a), b, {2, 1});
    be.gemm(c, transposed(a), transposed(b));
    be.gemm_batch(n, {c.middle_rows(0, 1), n}, {matrix_view<const T>(a.middle_rows(0, 1)), n},
                  {matrix_view<const T>(b), 0});
    be.map(chainrule::fn::sigmoid{}, c, c);
    be.map(fn::plus{}, c, a, small);
    be.reduce(chainrule::reduction::sum{}, small, fn::sqr{}, c);
    be.reduce(chainrule::reduction::maximum{}, column, fn::identity{}, c);
    be.reduce(chainrule::reduction::sum{}, one, fn::multiplies{}, a, c);
    be.copy(b, a);
    be.reduce(chainrule::reduction::sum{}, small, {.beta = 1}, fn::sqr{}, a);
    be.gather(c, a, matrix_view<const std::int32_t>(rows.data(), 1, n));
    be.scatter_add(c, matrix_view<const std::int32_t>(rows.data(), 1, n), a);
  };
  // Each thread's packing buffer grows when it takes a larger piece than ever before, which is a
  // matter of chance, but happens finitely often; what allocates in each call would never stop.
  long allocated = 1;
  for (int attempt = 0; attempt < 50 && allocated != 0; ++attempt) {
    const long before = allocations;
    for (int i = 0; i < 10; ++i) step();
    allocated = allocations - before;
  }
  CHECK(allocated == 0);
}

#endif

namespace allocation_test {}  // namespace allocation_test
