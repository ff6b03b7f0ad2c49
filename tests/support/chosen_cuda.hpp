/// \file
/// The call table of the suites over CUDA: a GPU's, or with CHAINRULE_EMULATED_CUDA=1 the emulated
/// device's, so that one program serves both.
#ifndef CHAINRULE_TESTS_SUPPORT_CHOSEN_CUDA_HPP
#define CHAINRULE_TESTS_SUPPORT_CHOSEN_CUDA_HPP

#include "chainrule/backend/cuda.hpp"
#include "emulated/emulated_cuda.hpp"

namespace support {

/// Whether the suites run on the emulated device.
[[nodiscard]] inline bool is_emulated() {
  static const bool wanted = chainrule::device::is_set("CHAINRULE_EMULATED_CUDA");
  return wanted;
}

/// One function of two tables.
template <auto Real, auto Emulated, class Function = decltype(Emulated)>
struct either;
template <auto Real, auto Emulated, class Result, class... Args>
struct either<Real, Emulated, Result (*)(Args...)> {
  Result operator()(Args... args) const {
    return is_emulated() ? Emulated(args...) : (*Real)(args...);
  }
};

struct chosen_cuda {
  using gpu = chainrule::cuda_api;
  using host = emulated_cuda;

  static constexpr either<&gpu::device_count, &host::device_count> device_count{};
  static constexpr either<&gpu::device_attribute, &host::device_attribute> device_attribute{};
  static constexpr either<&gpu::driver_version, &host::driver_version> driver_version{};
  static constexpr either<&gpu::runtime_version, &host::runtime_version> runtime_version{};
  static constexpr either<&gpu::last_error, &host::last_error> last_error{};
  static constexpr either<&gpu::set_device, &host::set_device> set_device{};
  static constexpr either<&gpu::describe, &host::describe> describe{};
  static constexpr either<&gpu::driver_function, &host::driver_function> driver_function{};
  static constexpr either<&gpu::allocate, &host::allocate> allocate{};
  static constexpr either<&gpu::release, &host::release> release{};
  static constexpr either<&gpu::allocate_host, &host::allocate_host> allocate_host{};
  static constexpr either<&gpu::release_host, &host::release_host> release_host{};
  static constexpr either<&gpu::fill, &host::fill> fill{};
  static constexpr either<&gpu::copy, &host::copy> copy{};
  static constexpr either<&gpu::copy_rows, &host::copy_rows> copy_rows{};
  static constexpr either<&gpu::create_stream, &host::create_stream> create_stream{};
  static constexpr either<&gpu::destroy_stream, &host::destroy_stream> destroy_stream{};
  static constexpr either<&gpu::synchronize, &host::synchronize> synchronize{};
  static constexpr either<&gpu::query_stream, &host::query_stream> query_stream{};
  static constexpr either<&gpu::let_stream_wait, &host::let_stream_wait> let_stream_wait{};
  static constexpr either<&gpu::create_event, &host::create_event> create_event{};
  static constexpr either<&gpu::destroy_event, &host::destroy_event> destroy_event{};
  static constexpr either<&gpu::record_event, &host::record_event> record_event{};
  static constexpr either<&gpu::begin_capture, &host::begin_capture> begin_capture{};
  static constexpr either<&gpu::end_capture, &host::end_capture> end_capture{};
  static constexpr either<&gpu::exchange_capture_mode, &host::exchange_capture_mode>
      exchange_capture_mode{};
  static constexpr either<&gpu::instantiate, &host::instantiate> instantiate{};
  static constexpr either<&gpu::destroy_graph, &host::destroy_graph> destroy_graph{};
  static constexpr either<&gpu::launch_graph, &host::launch_graph> launch_graph{};
  static constexpr either<&gpu::destroy_executable, &host::destroy_executable> destroy_executable{};
  static constexpr either<&gpu::compiler_version, &host::compiler_version> compiler_version{};
  static constexpr either<&gpu::architecture_count, &host::architecture_count> architecture_count{};
  static constexpr either<&gpu::architectures, &host::architectures> architectures{};
  static constexpr either<&gpu::create_program, &host::create_program> create_program{};
  static constexpr either<&gpu::destroy_program, &host::destroy_program> destroy_program{};
  static constexpr either<&gpu::compile_program, &host::compile_program> compile_program{};
  static constexpr either<&gpu::log_size, &host::log_size> log_size{};
  static constexpr either<&gpu::log, &host::log> log{};
  static constexpr either<&gpu::cubin_size, &host::cubin_size> cubin_size{};
  static constexpr either<&gpu::cubin, &host::cubin> cubin{};
  static constexpr either<&gpu::ptx_size, &host::ptx_size> ptx_size{};
  static constexpr either<&gpu::ptx, &host::ptx> ptx{};
  static constexpr either<&gpu::create_blas, &host::create_blas> create_blas{};
  static constexpr either<&gpu::destroy_blas, &host::destroy_blas> destroy_blas{};
  static constexpr either<&gpu::blas_version, &host::blas_version> blas_version{};
  static constexpr either<&gpu::create_product, &host::create_product> create_product{};
  static constexpr either<&gpu::destroy_product, &host::destroy_product> destroy_product{};
  static constexpr either<&gpu::set_product, &host::set_product> set_product{};
  static constexpr either<&gpu::create_layout, &host::create_layout> create_layout{};
  static constexpr either<&gpu::set_layout, &host::set_layout> set_layout{};
  static constexpr either<&gpu::destroy_layout, &host::destroy_layout> destroy_layout{};
  static constexpr either<&gpu::create_preference, &host::create_preference> create_preference{};
  static constexpr either<&gpu::destroy_preference, &host::destroy_preference> destroy_preference{};
  static constexpr either<&gpu::set_preference, &host::set_preference> set_preference{};
  static constexpr either<&gpu::find_algorithms, &host::find_algorithms> find_algorithms{};
  static constexpr either<&gpu::multiply, &host::multiply> multiply{};
};

}  // namespace support

#endif  // CHAINRULE_TESTS_SUPPORT_CHOSEN_CUDA_HPP
