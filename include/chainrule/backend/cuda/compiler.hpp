/// \file
/// Compilation of a kernel's text to machine code or PTX by NVRTC, which needs no GPU and no
/// driver.
///
///     const cuda_target t = cuda_target_for<cuda_api>(90);                 // a Hopper
///     const std::string cubin = cuda_compile<cuda_api>(text, t);
#ifndef CHAINRULE_BACKEND_CUDA_COMPILER_HPP
#define CHAINRULE_BACKEND_CUDA_COMPILER_HPP

#include <algorithm>
#include <string>
#include <vector>

#include "chainrule/backend/cuda/api.hpp"
#include "chainrule/backend/device/choice.hpp"

namespace chainrule::device {

/// The prelude that makes the common text of the kernels valid CUDA C++. Blocks of rows beyond
/// 65535 continue along z, see launch_shape_of. Diagnostic 177 (unused functions and variables) is
/// off, because composed texts have some.
inline constexpr const char* cuda_prelude = R"(#pragma nv_diag_suppress 177
#define KERNEL extern "C" __global__ void
#define KERNEL_OF(width, height) extern "C" __global__ void __launch_bounds__((width) * (height))
#define KERNEL_OF_TWO(width, height) \
  extern "C" __global__ void __launch_bounds__((width) * (height), 2)
#define GLOBAL
#define LOCAL __shared__
#define FUNCTION static __device__ __forceinline__
#define GROUP(d) ((d) == 0 ? (long)blockIdx.x : (long)blockIdx.z * gridDim.y + blockIdx.y)
#define LOCAL_INDEX(d) ((int)((d) == 0 ? threadIdx.x : threadIdx.y))
#define INDEX(d) (GROUP(d) * ((d) == 0 ? blockDim.x : blockDim.y) + LOCAL_INDEX(d))
#define BARRIER __syncthreads()
#define MULTIPLY_HIGH(a, b) __umulhi((unsigned)(a), (unsigned)(b))
#define UNROLL _Pragma("unroll")
#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif
#ifndef NAN
#define NAN __int_as_float(0x7fffffff)
#endif
typedef unsigned char uchar;
typedef unsigned int uint;
typedef unsigned long ulong;
static_assert(sizeof(long) == 8, "the kernels count in long, which must have 64 bits");
)";

/// The target of a compilation: machine code of an architecture (89 for sm_89), or PTX, which the
/// driver of a newer one compiles further.
struct cuda_target {
  int architecture = 0;
  bool as_ptx = false;

  [[nodiscard]] std::string option() const {
    return detail::concat("--gpu-architecture=", as_ptx ? "compute_" : "sm_", architecture);
  }
};

template <class Code>
void cuda_require(Code code, const char* call) {
  if (static_cast<int>(code) != 0)
    throw backend_error(detail::concat("CUDA: ", call, " failed with ", cuda_error_name(code)));
}

/// The target for a device whose compute capability is `capability` (major * 10 + minor): its own
/// machine code, that of an older device of its family, else PTX. Throws backend_error if the
/// compiler knows only newer devices.
template <class Api>
[[nodiscard]] cuda_target cuda_target_for(int capability) {
  int count = 0;
  cuda_require(Api::architecture_count(&count), "nvrtcGetNumSupportedArchs");
  std::vector<int> known(static_cast<std::size_t>(count));
  cuda_require(Api::architectures(known.data()), "nvrtcGetSupportedArchs");
  std::sort(known.begin(), known.end());
  const auto after = std::upper_bound(known.begin(), known.end(), capability);
  if (after == known.begin())
    throw backend_error(detail::concat(
        "CUDA: NVRTC compiles for compute capability ", known.empty() ? 0 : known.front() / 10, ".",
        known.empty() ? 0 : known.front() % 10, " and newer, the device has ", capability / 10, ".",
        capability % 10, "; build with an older CUDA toolkit for it"));
  const int best = *(after - 1);
  return {best, best / 10 != capability / 10};
}

/// The version and the options of the compiler, for keys of the kernel cache.
template <class Api>
[[nodiscard]] std::string cuda_compiler_identity(const cuda_target& target) {
  int major = 0;
  int minor = 0;
  cuda_require(Api::compiler_version(&major, &minor), "nvrtcVersion");
  return detail::concat("NVRTC ", major, ".", minor, " --std=c++17 ", target.option());
}

/// Owns an NVRTC program.
template <class Api>
class cuda_program {
 public:
  explicit cuda_program(const std::string& text) {
    cuda_require(Api::create_program(&program_, text.c_str(), "kernel.cu", 0, nullptr, nullptr),
                 "nvrtcCreateProgram");
  }
  cuda_program(const cuda_program&) = delete;
  cuda_program& operator=(const cuda_program&) = delete;
  ~cuda_program() { Api::destroy_program(&program_); }

  [[nodiscard]] nvrtcResult compile(const cuda_target& target) {
    const std::string architecture = target.option();
    // Without fast math and flushing of denormals, so that results agree with other devices.
    const char* const options[] = {architecture.c_str(), "--std=c++17",
                                   "--device-as-default-execution-space"};
    return Api::compile_program(program_, 3, options);
  }
  /// The log of the compiler.
  [[nodiscard]] std::string log() const {
    std::size_t size = 0;
    if (Api::log_size(program_, &size) != NVRTC_SUCCESS || size == 0) return {};
    std::string said(size, '\0');
    if (Api::log(program_, said.data()) != NVRTC_SUCCESS) return {};
    while (!said.empty() && said.back() == '\0') said.pop_back();  // it ends a C string
    return said;
  }
  [[nodiscard]] std::string image(const cuda_target& target) const {
    std::size_t size = 0;
    cuda_require(target.as_ptx ? Api::ptx_size(program_, &size) : Api::cubin_size(program_, &size),
                 "nvrtcGetCUBINSize");
    std::string binary(size, '\0');
    cuda_require(
        target.as_ptx ? Api::ptx(program_, binary.data()) : Api::cubin(program_, binary.data()),
        "nvrtcGetCUBIN");
    return binary;
  }

 private:
  nvrtcProgram program_ = nullptr;
};

/// The machine code (or PTX) of a text that has its prelude. Throws backend_error with the
/// compiler's log and the numbered text if it does not compile.
template <class Api>
[[nodiscard]] std::string cuda_compile(const std::string& text, const cuda_target& target) {
  cuda_program<Api> program(text);
  const nvrtcResult code = program.compile(target);
  if (code != NVRTC_SUCCESS)
    throw backend_error(detail::concat("CUDA: a kernel does not build for ", target.option(),
                                       " (nvrtcCompileProgram: ", cuda_error_name(code), ")\n",
                                       program.log(), "\n", numbered(text)));
  return program.image(target);
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_CUDA_COMPILER_HPP
