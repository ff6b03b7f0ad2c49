/// \file
/// `runtime_base`: what runtimes share: a pool of memory, kernels that are kept in memory and on
/// disk, counters, and the first error of a device that is lost.
///
/// With CHAINRULE_CHECK_MEMORY=1 every buffer is filled with NaN, lies between two guard zones and
/// is looked at when it is released; the next synchronisation throws if a kernel wrote beside one.
#ifndef CHAINRULE_BACKEND_DEVICE_RUNTIME_BASE_HPP
#define CHAINRULE_BACKEND_DEVICE_RUNTIME_BASE_HPP

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "chainrule/backend/device/program_store.hpp"
#include "chainrule/backend/device/runtime.hpp"

namespace chainrule::device {

/// Memory of a runtime: a buffer, the bytes that were asked for, and those that lie before them.
template <class Buffer>
struct allocation {
  Buffer buffer{};
  std::size_t bytes = 0;
  std::size_t begin = 0;
};

template <class Derived, class Buffer, class Module>
class runtime_base {
 public:
  using buffer = Buffer;
  using module = Module;
  using allocation_type = allocation<Buffer>;
  /// A kernel that was built, and when it was launched last.
  struct built_kernel {
    Module module;
    std::uint64_t last_use = 0;
  };
  /// Keeps a kernel loaded: the runtime unloads no kernel to which a handle exists elsewhere.
  using kernel_handle = std::shared_ptr<built_kernel>;
  /// What a recording needs while it lives.
  struct held_resources {
    std::vector<Buffer> buffers;  // that it took from the pool or gave to it
    std::vector<kernel_handle> kernels;
  };
  /// Kernels that a device keeps loaded. Beyond that, those used longest ago are forgotten.
  static constexpr std::size_t most_kernels = 1024;

  runtime_base(const runtime_base&) = delete;
  runtime_base& operator=(const runtime_base&) = delete;

  /// Memory for `bytes` bytes, not initialised: from the pool where a released buffer fits. Throws
  /// out_of_memory, backend_error.
  [[nodiscard]] allocation_type acquire(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    require_alive();
    const std::size_t size = size_class(bytes + 2 * zone_);
    allocation_type a{take(size), bytes, zone_};
    try {
      if (zone_ > 0) {
        self().raw_fill(a.buffer, guard_byte, 0, size);
        self().raw_fill(a.buffer, 0xff, zone_, bytes);  // NaN in every floating-point type
      }
    } catch (...) {
      self().raw_release(a.buffer);
      throw;
    }
    return a;
  }

  /// Gives memory back; work that is queued may still use it, because what is queued later comes
  /// after it.
  void release(const allocation_type& a) noexcept {
    if (a.buffer == Buffer{}) return;
    const std::lock_guard lock(mutex_);
    try {
      // What is being recorded has not run yet, so there is nothing to see.
      if (zone_ > 0 && !recording_) look_for_damage(a);
      give_back(a.buffer, size_class(a.bytes + 2 * zone_));
    } catch (...) {  // no room to note it, or a device that is lost
      self().raw_release(a.buffer);
    }
  }

  /// The kernel `cr_main` of a text, built at most once and looked up on disk before that. Throws
  /// backend_error with the numbered text and the compiler's log if it does not build.
  [[nodiscard]] kernel_handle kernel(const std::string& text) {
    const std::lock_guard lock(mutex_);
    return built("", text);
  }
  /// The same for a text that is made where it is needed: `key` stands for it, `verb` is what it is
  /// for, in names of files.
  template <class Text>
  [[nodiscard]] kernel_handle kernel(const std::string& key, const char* verb, Text&& text) {
    const std::lock_guard lock(mutex_);
    const auto found = keys_.find(key);
    if (found != keys_.end()) return found->second;
    const kernel_handle k = built(verb, text());
    if (keys_.size() >= 4 * most_kernels) keys_.clear();  // they are found by their texts again
    return keys_.emplace(key, k).first->second;
  }

  /// Queues a kernel; `verb` names who asks for it in messages.
  void launch(const char* verb, const kernel_handle& k, const work& w,
              std::span<const argument> arguments) {
    const std::lock_guard lock(mutex_);  // in OpenCL, arguments are a part of the kernel
    require_alive();
    last_verb_ = verb;
    if (recording_)
      noted_.push_back(k);
    else
      ++counted_.launches;
    k->last_use = ++uses_;
    self().raw_launch(k->module, w, arguments);
  }

  /// Copies `rows` rows of `bytes` bytes to the device; returns when the host's memory may be used
  /// again.
  void upload(Buffer to, const rectangle& target, const void* from, std::size_t stride,
              std::size_t bytes, std::size_t rows) {
    const std::lock_guard lock(mutex_);
    require_waiting("upload");
    ++counted_.uploads;
    ++counted_.synchronizations;
    counted_.uploaded_bytes += bytes * rows;
    self().write(to, target, from, stride, bytes, rows);
  }
  /// The same from the device, when all that was queued before is done.
  void download(void* to, std::size_t stride, Buffer from, const rectangle& source,
                std::size_t bytes, std::size_t rows) {
    const std::lock_guard lock(mutex_);
    require_waiting("download");
    ++counted_.downloads;
    ++counted_.synchronizations;
    counted_.downloaded_bytes += bytes * rows;
    self().read(to, stride, from, source, bytes, rows);
  }

  /// Waits until everything that was asked for is done. Throws what went wrong meanwhile.
  void synchronize() {
    const std::lock_guard lock(mutex_);
    require_waiting("synchronize");
    ++counted_.synchronizations;
    self().wait();
    if (!damage_.empty()) throw backend_error(std::exchange(damage_, {}));
  }

  // Staging, for runtimes that have `staging` (host memory and a queue to copy from it) with
  // data(), raw_stage(bytes), raw_mark_read(staging), raw_send(staging, buffer, at, bytes), which
  // marks what is not marked, raw_is_sent(staging) and raw_await(staging); see device/staging.hpp.

  /// Host memory of `bytes` bytes to send from.
  [[nodiscard]] auto stage(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    require_waiting("staging");
    return self().raw_stage(bytes);
  }
  /// Copies its first bytes to the device when that has read what was sent before. The verbs that
  /// are asked for from now on come after the copy.
  template <class Staging>
  void send(Staging& s, Buffer to, std::size_t at, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    require_waiting("staging");
    if (bytes == 0) return;
    last_verb_ = "staging";
    ++counted_.uploads;
    counted_.uploaded_bytes += bytes;
    self().raw_send(s, to, at, bytes);
  }
  /// The verbs that were asked for until now are all that read what was sent.
  template <class Staging>
  void mark_read(Staging& s) {
    const std::lock_guard lock(mutex_);
    require_waiting("staging");
    self().raw_mark_read(s);
  }
  /// Waits until what was sent has left the host's memory.
  template <class Staging>
  void await(Staging& s) {
    const std::lock_guard lock(mutex_);
    require_waiting("staging");
    if (self().raw_is_sent(s)) return;
    ++counted_.synchronizations;
    self().raw_await(s);
  }
  /// The same for memory that goes, on a device that may be lost.
  template <class Staging>
  void end_staging(Staging& s) noexcept {
    const std::lock_guard lock(mutex_);
    try {
      self().raw_await(s);
    } catch (...) {  // then nothing is on its way
    }
  }

  // Recording, for runtimes that have `graph` (what end_recording returns), raw_begin_recording(),
  // raw_end_recording(), raw_abandon_recording() and raw_replay(graph); see device/recording.hpp.

  /// From now on, what this thread asks for is noted down and not done, until end_recording().
  /// Throws backend_error, also for what other threads ask for meanwhile.
  void begin_recording() {
    const std::lock_guard lock(mutex_);
    require_alive();
    if (recording_) throw backend_error(detail::concat(Derived::api, ": is recording already"));
    self().raw_begin_recording();
    recording_ = true;
    recorder_ = std::this_thread::get_id();
    touched_.clear();
    noted_.clear();
  }
  /// What was noted down since begin_recording(), and in `held` what it needs: nobody else gets
  /// these buffers until let_go(held).
  [[nodiscard]] auto end_recording(held_resources& held) {
    const std::lock_guard lock(mutex_);
    auto noted = self().raw_end_recording();
    recording_ = false;
    held.kernels = std::exchange(noted_, {});
    held.buffers.reserve(touched_.size());
    for (const auto& [b, size] : touched_) {
      held_buffer& h = held_.try_emplace(b, held_buffer{size}).first->second;
      ++h.holders;
      std::vector<Buffer>& free = pool_[size];
      for (std::size_t i = 0; i < free.size(); ++i)
        if (free[i] == b) {
          free.erase(free.begin() + static_cast<std::ptrdiff_t>(i));
          h.is_free = true;
          break;
        }
      held.buffers.push_back(b);
    }
    touched_.clear();
    return noted;
  }
  /// Ends a recording that is not wanted.
  void abandon_recording() noexcept {
    const std::lock_guard lock(mutex_);
    if (!recording_) return;
    recording_ = false;
    touched_.clear();
    noted_.clear();
    self().raw_abandon_recording();
  }
  /// Queues what was noted down, in whole.
  template <class Graph>
  void replay(const Graph& noted) {
    const std::lock_guard lock(mutex_);
    require_alive();
    last_verb_ = "replay";
    ++counted_.replays;
    self().raw_replay(noted);
  }
  /// The recording that held these buffers is gone.
  void let_go(const held_resources& held) noexcept {
    const std::lock_guard lock(mutex_);
    for (const Buffer b : held.buffers) {
      const auto h = held_.find(b);
      if (h == held_.end() || --h->second.holders > 0) continue;
      const held_buffer was = h->second;
      held_.erase(h);
      if (!was.is_free) continue;  // its owner has it still
      try {
        give_back(b, was.size);
      } catch (...) {
        self().raw_release(b);
      }
    }
  }

  [[nodiscard]] device_statistics statistics() const {
    const std::lock_guard lock(mutex_);
    return counted_;
  }
  [[nodiscard]] const device_info& info() const { return info_; }

  /// How kernels are to be laid out: as for a GPU, in groups of work items that share memory, or as
  /// for a processor, in few work items with much work each. CHAINRULE_DEVICE_LAYOUT=cpu|gpu
  /// overrides what the device is, so that both can be tested anywhere.
  [[nodiscard]] device_kind layout() const { return layout_; }

  /// Whether an error has made the device useless: every call throws then.
  [[nodiscard]] bool is_lost() const {
    const std::lock_guard lock(mutex_);
    return !fatal_.empty();
  }
  /// Whether every buffer lies between guard zones.
  [[nodiscard]] bool checks_memory() const { return zone_ > 0; }

 protected:
  explicit runtime_base(device_info info) : info_(std::move(info)) {
    const char* check = std::getenv("CHAINRULE_CHECK_MEMORY");
    if (check != nullptr && *check != '\0' && *check != '0') zone_ = 256;
    const char* layout = std::getenv("CHAINRULE_DEVICE_LAYOUT");
    const std::string_view wanted = layout == nullptr ? "" : layout;
    const bool has_groups = info_.kind != device_kind::processor && info_.group_items >= 256;
    layout_ = wanted == "gpu" || (wanted != "cpu" && has_groups) ? device_kind::gpu
                                                                 : device_kind::processor;
  }
  ~runtime_base() = default;

  /// For the derived destructor: returns all memory and kernels to the API, while it is still open.
  void close() noexcept {
    keys_.clear();
    kernels_.clear();
    for (auto& [size, buffers] : pool_)
      for (const Buffer b : buffers) self().raw_release(b);
    pool_.clear();
  }

  /// What `make()` makes; where memory does not suffice for it, what the pool keeps may be what is
  /// missing.
  template <class Make>
  [[nodiscard]] auto with_room(Make&& make) {
    try {
      return make();
    } catch (const out_of_memory&) {
      if (recording_) throw;  // what the pool has may be what was noted down
      self().wait();
      bool any = false;
      for (auto& [bytes, buffers] : pool_)
        for (; !buffers.empty(); buffers.pop_back(), any = true) self().raw_release(buffers.back());
      if (!any) throw;
    }
    return make();
  }
  /// A buffer of a size class, from the pool if it has one.
  [[nodiscard]] Buffer take(std::size_t size) {
    const auto free = pool_.find(size);
    if (free != pool_.end() && !free->second.empty()) {
      const Buffer b = free->second.back();
      free->second.pop_back();
      touch(b, size);
      return b;
    }
    ++counted_.allocations;
    counted_.allocated_bytes += size;
    const Buffer b = with_room([&] { return self().raw_allocate(size); });
    touch(b, size);
    return b;
  }

  /// Queues what is no kernel of ours, such as a library's product: `work()` does, or returns false
  /// and has done nothing.
  template <class Work>
  [[nodiscard]] bool queue(const char* verb, Work&& work) {
    const std::lock_guard lock(mutex_);
    require_alive();
    last_verb_ = verb;
    if (!work()) return false;
    if (!recording_) ++counted_.launches;
    return true;
  }
  /// Whether what is asked for is noted down and not done.
  [[nodiscard]] bool is_recording() const { return recording_; }

  /// Notes that the device is lost: every later call throws this first error.
  void poison(const std::string& first_error) {
    if (fatal_.empty()) fatal_ = first_error;
  }
  /// The verb whose kernel was queued last, for errors that come to light later.
  [[nodiscard]] const char* last_verb() const { return last_verb_; }

 private:
  static constexpr unsigned char guard_byte = 0xa5;

  Derived& self() { return static_cast<Derived&>(*this); }

  void require_alive() const {
    if (!fatal_.empty())
      throw backend_error(detail::concat(
          Derived::api, ": the device cannot be used any more since an earlier error: ", fatal_));
    if (recording_ && std::this_thread::get_id() != recorder_)
      throw backend_error(detail::concat(
          Derived::api, ": another thread is recording a step; use a device at a time"));
  }
  /// The same for what waits until the device is done, which nothing is while it is noted down.
  void require_waiting(const char* verb) const {
    require_alive();
    if (recording_)
      throw backend_error(detail::concat(Derived::api, ": ", verb,
                                         " waits for the device, so it cannot be recorded; do it ",
                                         "before or after the step"));
  }

  [[nodiscard]] kernel_handle built(const char* verb, const std::string& text) {
    require_alive();
    const auto found = kernels_.find(text);
    if (found != kernels_.end()) return found->second;
    if (kernels_.size() >= most_kernels && !recording_) forget_kernels();
    const std::string whole = Derived::prelude() + text;
    const program_store store(Derived::api, self().fingerprint(), whole, verb);
    store.dump();
    if (const std::optional<std::string> binary = store.load())
      if (std::optional<Module> m = with_room([&] { return self().load(*binary); }))
        return keep(text, std::move(*m));
    ++counted_.builds;
    Module m = with_room([&] { return self().build(whole); });
    // A program that builds so many builds them for constants that will not come back.
    if (counted_.builds <= most_kernels) store.save(self().binary_of(m));
    return keep(text, std::move(m));
  }
  [[nodiscard]] kernel_handle keep(const std::string& text, Module&& m) {
    return kernels_.emplace(text, std::make_shared<built_kernel>(built_kernel{std::move(m), uses_}))
        .first->second;
  }
  /// Unloads the half of the kernels that was used longest ago, when the device has run them,
  /// except those that are about to be launched and those of recordings.
  void forget_kernels() {
    ++counted_.synchronizations;
    self().wait();
    keys_.clear();
    std::vector<std::uint64_t> uses;
    for (const auto& [text, k] : kernels_) uses.push_back(k->last_use);
    const auto middle = uses.begin() + static_cast<std::ptrdiff_t>(uses.size() / 2);
    std::nth_element(uses.begin(), middle, uses.end());
    std::erase_if(kernels_, [&](const auto& entry) {
      return entry.second.use_count() == 1 && entry.second->last_use < *middle;
    });
  }

  /// Sizes are rounded up, so that buffers of about one size can stand in for each other: to a
  /// quarter of the power of two below, but by no more than 64 KiB.
  static std::size_t size_class(std::size_t bytes) {
    std::size_t step = 64;
    while (step < 65536 && step * 8 <= bytes) step *= 2;
    return bytes == 0 ? step : (bytes + step - 1) / step * step;
  }

  /// Into the pool, or aside while a recording needs it.
  void give_back(Buffer b, std::size_t size) {
    touch(b, size);
    const auto h = held_.find(b);
    if (h != held_.end())
      h->second.is_free = true;
    else
      pool_[size].push_back(b);
  }
  /// Notes that the work that is being recorded may use a buffer.
  void touch(Buffer b, std::size_t size) {
    if (recording_) touched_.emplace(b, size);
  }

  void look_for_damage(const allocation_type& a) {
    const std::size_t size = size_class(a.bytes + 2 * zone_);
    std::vector<unsigned char> now(size);
    self().read(now.data(), size, a.buffer, {0, size}, size, 1);
    for (std::size_t i = 0; i < size && damage_.empty(); ++i)
      if ((i < zone_ || i >= zone_ + a.bytes) && now[i] != guard_byte)
        damage_ = detail::concat(Derived::api, ": a kernel wrote byte ",
                                 static_cast<std::int64_t>(i) - static_cast<std::int64_t>(zone_),
                                 " of a buffer of ", a.bytes, " bytes, which is outside of it");
  }

  /// A buffer that recordings use.
  struct held_buffer {
    std::size_t size = 0;
    int holders = 0;
    bool is_free = false;  // its owner has given it back
  };

  device_info info_;
  mutable std::mutex mutex_;
  std::map<std::size_t, std::vector<Buffer>> pool_;  // released buffers by size
  std::map<std::string, kernel_handle> kernels_;     // by text
  std::map<std::string, kernel_handle> keys_;        // the same by what the text is made from
  std::map<Buffer, held_buffer> held_;               // by recordings that live
  std::map<Buffer, std::size_t> touched_;            // by the recording that is being made
  std::vector<kernel_handle> noted_;                 // likewise
  std::uint64_t uses_ = 0;                           // launches, recorded ones too
  bool recording_ = false;
  std::thread::id recorder_;
  device_statistics counted_;
  std::string fatal_;   // why the device is lost, "" while it is not
  std::string damage_;  // what a guard zone showed
  const char* last_verb_ = "nothing";
  device_kind layout_ = device_kind::gpu;
  std::size_t zone_ = 0;
};

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_RUNTIME_BASE_HPP
