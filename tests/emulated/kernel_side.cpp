// The host's side of CUDA C++: this file is compiled once for every kernel, with EMULATED_TEXT
// naming the file that holds the kernel's text. No headers: a kernel is to compile in hundredths of
// a second.

#include "kernel_interface.hpp"

static emulated::index3 threadIdx, blockIdx, blockDim, gridDim;
static void (*emulated_barrier)(int line, unsigned count);
static void (*emulated_spin)();

#define __global__
#define __device__
#define __forceinline__ inline
// Stands before the kernel's name. What is called with a number is the bound, if there is one; how
// many blocks are to fit into a multiprocessor does not matter here.
#define __launch_bounds__(threads, ...)                               \
  emulated_bounded();                                                 \
  static constexpr unsigned emulated_bound(int) { return (threads); } \
  extern "C" void
static constexpr unsigned emulated_bound(...) { return 1024; }
// In a section of their own, so that the device knows where they are; also what is never read.
#define __shared__ static __attribute__((section("emulated_shared"), used))
#define __syncthreads() emulated_barrier(__LINE__, 0)
#define __barrier_sync_count(id, count) emulated_barrier(__LINE__, count)
#define SPIN emulated_spin()

// Threads run in turn, so that every access is atomic and seen by all.
static inline void __threadfence() {}
static inline unsigned atomicAdd(unsigned* p, unsigned value) {
  const unsigned before = *p;
  *p = before + value;
  return before;
}

static inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(static_cast<unsigned long long>(a) * b >> 32);
}
static inline float __int_as_float(int bits) {
  float x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

struct __attribute__((aligned(8))) float2 {
  float x, y;
};
struct __attribute__((aligned(16))) float4 {
  float x, y, z, w;
};
struct __attribute__((aligned(16))) double2 {
  double x, y;
};

// CUDA's functions of float and of double have the same name.
#define EMULATED_OF_ONE(name)                                          \
  static inline float name(float x) { return __builtin_##name##f(x); } \
  static inline double name(double x) { return __builtin_##name(x); }
#define EMULATED_OF_TWO(name)                                                      \
  static inline float name(float x, float y) { return __builtin_##name##f(x, y); } \
  static inline double name(double x, double y) { return __builtin_##name(x, y); }
EMULATED_OF_ONE(exp)
EMULATED_OF_ONE(exp2)
EMULATED_OF_ONE(expm1)
EMULATED_OF_ONE(log)
EMULATED_OF_ONE(log2)
EMULATED_OF_ONE(log10)
EMULATED_OF_ONE(log1p)
EMULATED_OF_ONE(sqrt)
EMULATED_OF_ONE(cbrt)
EMULATED_OF_ONE(sin)
EMULATED_OF_ONE(cos)
EMULATED_OF_ONE(tan)
EMULATED_OF_ONE(asin)
EMULATED_OF_ONE(acos)
EMULATED_OF_ONE(atan)
EMULATED_OF_ONE(sinh)
EMULATED_OF_ONE(cosh)
EMULATED_OF_ONE(tanh)
EMULATED_OF_ONE(asinh)
EMULATED_OF_ONE(acosh)
EMULATED_OF_ONE(atanh)
EMULATED_OF_ONE(erf)
EMULATED_OF_ONE(erfc)
EMULATED_OF_ONE(floor)
EMULATED_OF_ONE(ceil)
EMULATED_OF_ONE(trunc)
EMULATED_OF_ONE(round)
EMULATED_OF_ONE(rint)
EMULATED_OF_ONE(fabs)
EMULATED_OF_TWO(pow)
EMULATED_OF_TWO(atan2)
EMULATED_OF_TWO(fmod)
EMULATED_OF_TWO(fmin)
EMULATED_OF_TWO(fmax)
EMULATED_OF_TWO(copysign)

#include EMULATED_TEXT

extern "C" {
// The linker defines them if there is such a section.
extern char __start_emulated_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_emulated_shared[] __attribute__((weak, visibility("hidden")));
}

namespace {

template <class P>
constexpr bool is_pointer = false;
template <class P>
constexpr bool is_pointer<P*> = true;

template <unsigned long... I>
struct numbers {};
#ifdef __clang__
template <class, unsigned long... I>
using numbers_of = numbers<I...>;
template <unsigned long N>
using numbers_below = __make_integer_seq<numbers_of, unsigned long, N>;
#else
template <unsigned long N>
using numbers_below = numbers<__integer_pack(N)...>;
#endif

template <class... P, unsigned long... I>
inline void call(void (*kernel)(P...), void** arguments, numbers<I...>) {
  kernel(*static_cast<P*>(arguments[I])...);
}
template <class... P>
inline void call(void (*kernel)(P...), void** arguments) {
  call(kernel, arguments, numbers_below<sizeof...(P)>{});
}

void run_thread(void** arguments) { call(cr_main, arguments); }

void run_block(void** arguments, bool reversed) {
  const unsigned count = blockDim.x * blockDim.y * blockDim.z;
  for (unsigned i = 0; i < count; ++i) {
    const unsigned t = reversed ? count - 1 - i : i;
    threadIdx = {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
    call(cr_main, arguments);
  }
}

template <class... P>
emulated::kernel_interface interface_of(void (*)(P...)) {
  static const unsigned char sizes[] = {sizeof(P)...};
  static const bool are_pointers[] = {is_pointer<P>...};
  return {&threadIdx,
          &blockIdx,
          &blockDim,
          &gridDim,
          &emulated_barrier,
          &emulated_spin,
          __start_emulated_shared,
          static_cast<unsigned long>(__stop_emulated_shared - __start_emulated_shared),
          emulated_bound(0),
          sizeof...(P),
          sizes,
          are_pointers,
          run_thread,
          run_block};
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void emulated_interface(
    emulated::kernel_interface* i) {
  *i = interface_of(cr_main);
}
