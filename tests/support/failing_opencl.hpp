/// \file
/// A call table between the runtime and OpenCL that counts live objects and calls, and lets chosen
/// calls fail.
///
///     faults::plan({faults::call::launch, 3, 3, CL_OUT_OF_RESOURCES});  // the third launch fails
///     auto runtime = std::make_shared<faults::runtime>(faults::runtime::devices().front());
///
/// For tests that call OpenCL from one thread.
#ifndef CHAINRULE_TESTS_SUPPORT_FAILING_OPENCL_HPP
#define CHAINRULE_TESTS_SUPPORT_FAILING_OPENCL_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "chainrule/backend/device/device_backend.hpp"
#include "chainrule/backend/opencl/runtime.hpp"

namespace faults {

/// What can fail. A program is built from its text or from a binary: two kinds.
enum class call : unsigned char {
  create_context,
  create_queue,
  create_buffer,
  write,
  read,
  fill,
  create_program,
  load_program,
  build,
  build_loaded,
  program_info,
  create_kernel,
  group_info,
  set_argument,
  launch,
  barrier,
  event_info,
  flush,
  finish,
  count
};
/// What is alive from a create to a release.
enum class object : unsigned char { context, queue, buffer, program, kernel, event, count };

/// Calls number `first` to `last` (from 1) of a kind fail with a code.
struct fault {
  call kind = call::count;
  long first = 1;
  long last = std::numeric_limits<long>::max();
  cl_int code = CL_OUT_OF_RESOURCES;
};

/// The work items of a launch and those of its groups; 0 where the driver chooses.
struct launched {
  std::array<std::size_t, 2> global{};
  std::array<std::size_t, 2> local{};
  std::array<std::size_t, 2> compiled_for{};  // groups that its kernel's text says; 0: any
};

struct state {
  std::array<long, static_cast<std::size_t>(call::count)> calls{};
  std::array<long, static_cast<std::size_t>(object::count)> live{};
  std::vector<fault> planned;
  long failed = 0;  // calls that were made to fail
  std::vector<cl_program> loaded;
  std::vector<launched> launches;
  long rectangles = 0;                  // copies that were asked for as rectangles
  std::size_t most_items = 0;           // of a group, for any kernel; 0: what the driver says
  std::optional<bool> divides_exactly;  // what the device says; unless it is set, the truth
  std::string options;                  // of the build before
};
inline state now;

/// From now on these calls fail, counted from here.
inline void plan(std::vector<fault> faults) {
  now.calls = {};
  now.failed = 0;
  now.planned = std::move(faults);
}
inline void plan(const fault& f) { plan(std::vector<fault>{f}); }
inline void plan_none() { plan(std::vector<fault>{}); }
[[nodiscard]] inline long calls(call kind) { return now.calls[static_cast<std::size_t>(kind)]; }
[[nodiscard]] inline long live(object o) { return now.live[static_cast<std::size_t>(o)]; }
/// What lives, in words: "2 buffers 1 kernels"; "" if nothing does.
[[nodiscard]] inline std::string alive() {
  constexpr const char* names[] = {"contexts", "queues",  "buffers",
                                   "programs", "kernels", "events"};
  std::string out;
  for (std::size_t i = 0; i < now.live.size(); ++i)
    if (now.live[i] != 0)
      out += chainrule::detail::concat(out.empty() ? "" : " ", now.live[i], " ", names[i]);
  return out;
}

/// Counts a call; its code if it is to fail, else CL_SUCCESS.
inline cl_int enter(call kind) {
  const long number = ++now.calls[static_cast<std::size_t>(kind)];
  for (const fault& f : now.planned)
    if (f.kind == kind && number >= f.first && number <= f.last) {
      ++now.failed;
      return f.code;
    }
  return CL_SUCCESS;
}
inline void add(object o, long n) { now.live[static_cast<std::size_t>(o)] += n; }

/// A call that gives a code back.
template <call Kind, auto Real>
struct checked;
template <call Kind, class... Args, cl_int (*Real)(Args...)>
struct checked<Kind, Real> {
  static cl_int run(Args... args) {
    const cl_int code = enter(Kind);
    return code == CL_SUCCESS ? Real(args...) : code;
  }
};

/// A call that makes an object and leaves its code where its last argument points.
template <call Kind, object What, auto Real>
struct creating;
template <call Kind, object What, class Handle, class... Args, Handle (*Real)(Args...)>
struct creating<Kind, What, Real> {
  static Handle run(Args... args) {
    cl_int* const code = std::get<sizeof...(Args) - 1>(std::tie(args...));
    *code = enter(Kind);
    if (*code != CL_SUCCESS) return nullptr;
    const Handle made = Real(args...);
    if (made != nullptr) add(What, 1);
    if constexpr (Kind == call::load_program) now.loaded.push_back(made);
    return made;
  }
};

/// A call that queues something and, if it is asked to, leaves an event where its last argument
/// points.
template <call Kind, auto Real>
struct queueing;
template <call Kind, class... Args, cl_int (*Real)(Args...)>
struct queueing<Kind, Real> {
  static cl_int run(Args... args) {
    cl_event* const event = std::get<sizeof...(Args) - 1>(std::tie(args...));
    cl_int code = enter(Kind);
    if (code == CL_SUCCESS) code = Real(args...);
    if (code == CL_SUCCESS && event != nullptr) add(object::event, 1);
    return code;
  }
};

/// A copy of a rectangle.
template <auto Real>
struct rectangular;
template <class... Args, cl_int (*Real)(Args...)>
struct rectangular<Real> {
  static cl_int run(Args... args) {
    ++now.rectangles;
    return Real(args...);
  }
};

template <object What, auto Real>
struct releasing;
template <object What, class Handle, cl_int (*Real)(Handle)>
struct releasing<What, Real> {
  static cl_int run(Handle h) {
    add(What, -1);
    if constexpr (What == object::program) std::erase(now.loaded, h);
    return Real(h);
  }
};

/// Building, of a text or of a binary.
template <auto Real>
struct building;
template <class... Args, cl_int (*Real)(cl_program, Args...)>
struct building<Real> {
  static cl_int run(cl_program program, Args... args) {
    const bool is_loaded =
        std::find(now.loaded.begin(), now.loaded.end(), program) != now.loaded.end();
    const cl_int code = enter(is_loaded ? call::build_loaded : call::build);
    return code == CL_SUCCESS ? Real(program, args...) : code;
  }
};

/// opencl_api with all that in between.
struct api {
  using real = chainrule::opencl_api;
  static constexpr auto* get_platform_ids = real::get_platform_ids;
  static constexpr auto* get_platform_info = real::get_platform_info;
  static constexpr auto* get_device_ids = real::get_device_ids;
  static cl_int get_device_info(cl_device_id d, cl_device_info what, std::size_t size, void* value,
                                std::size_t* used) {
    const cl_int code = real::get_device_info(d, what, size, value, used);
    if (what == CL_DEVICE_SINGLE_FP_CONFIG && now.divides_exactly.has_value()) {
      cl_device_fp_config& has = *static_cast<cl_device_fp_config*>(value);
      has &= ~cl_device_fp_config{CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT};
      if (*now.divides_exactly) has |= CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT;
    }
    return code;
  }
  static constexpr auto* create_context =
      &creating<call::create_context, object::context, real::create_context>::run;
  static constexpr auto* release_context = &releasing<object::context, real::release_context>::run;
  static constexpr auto* create_queue =
      &creating<call::create_queue, object::queue, real::create_queue>::run;
  static constexpr auto* release_queue = &releasing<object::queue, real::release_queue>::run;
  static constexpr auto* create_buffer =
      &creating<call::create_buffer, object::buffer, real::create_buffer>::run;
  static constexpr auto* release_buffer = &releasing<object::buffer, real::release_buffer>::run;
  static constexpr auto* write_rows =
      &rectangular<&queueing<call::write, real::write_rows>::run>::run;
  static constexpr auto* read_rows = &rectangular<&checked<call::read, real::read_rows>::run>::run;
  static constexpr auto* write_bytes = &queueing<call::write, real::write_bytes>::run;
  static constexpr auto* read_bytes = &checked<call::read, real::read_bytes>::run;
  static constexpr auto* fill_buffer = &checked<call::fill, real::fill_buffer>::run;
  static constexpr auto* create_program =
      &creating<call::create_program, object::program, real::create_program>::run;
  static constexpr auto* create_program_from_binary =
      &creating<call::load_program, object::program, real::create_program_from_binary>::run;
  static cl_int build_program(cl_program program, cl_uint count, const cl_device_id* devices,
                              const char* options, void (*notify)(cl_program, void*), void* data) {
    now.options = options;
    return building<real::build_program>::run(program, count, devices, options, notify, data);
  }
  static constexpr auto* get_build_info = real::get_build_info;
  static constexpr auto* get_program_info =
      &checked<call::program_info, real::get_program_info>::run;
  static constexpr auto* release_program = &releasing<object::program, real::release_program>::run;
  static constexpr auto* create_kernel =
      &creating<call::create_kernel, object::kernel, real::create_kernel>::run;
  static constexpr auto* release_kernel = &releasing<object::kernel, real::release_kernel>::run;
  static cl_int get_kernel_group_info(cl_kernel k, cl_device_id d, cl_kernel_work_group_info what,
                                      std::size_t size, void* value, std::size_t* used) {
    const cl_int code = enter(call::group_info);
    if (code != CL_SUCCESS) return code;
    if (now.most_items == 0 || what != CL_KERNEL_WORK_GROUP_SIZE)
      return real::get_kernel_group_info(k, d, what, size, value, used);
    *static_cast<std::size_t*>(value) = now.most_items;
    return CL_SUCCESS;
  }
  static constexpr auto* set_argument = &checked<call::set_argument, real::set_argument>::run;
  static cl_int launch(cl_command_queue q, cl_kernel k, cl_uint dimensions,
                       const std::size_t* offset, const std::size_t* global,
                       const std::size_t* local, cl_uint count, const cl_event* after,
                       cl_event* done) {
    launched l{{global[0], global[1]}, {0, 0}, {0, 0}};
    if (local != nullptr) l.local = {local[0], local[1]};
    std::size_t said[3] = {};
    real::get_kernel_group_info(k, nullptr, CL_KERNEL_COMPILE_WORK_GROUP_SIZE, sizeof said, said,
                                nullptr);
    l.compiled_for = {said[0], said[1]};
    now.launches.push_back(l);
    return checked<call::launch, real::launch>::run(q, k, dimensions, offset, global, local, count,
                                                    after, done);
  }
  static constexpr auto* barrier = &queueing<call::barrier, real::barrier>::run;
  static constexpr auto* get_event_info = &checked<call::event_info, real::get_event_info>::run;
  static constexpr auto* release_event = &releasing<object::event, real::release_event>::run;
  static constexpr auto* flush = &checked<call::flush, real::flush>::run;
  static constexpr auto* finish = &checked<call::finish, real::finish>::run;
};

using runtime = chainrule::basic_opencl_runtime<api>;
using backend = chainrule::device_backend<runtime, float>;

}  // namespace faults

#endif  // CHAINRULE_TESTS_SUPPORT_FAILING_OPENCL_HPP
