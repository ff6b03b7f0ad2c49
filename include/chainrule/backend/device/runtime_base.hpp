/// \file
/// `runtime_base`: what runtimes share: a memory pool, kernels cached in memory and on disk,
/// counters, and the first error of a device that is lost.
///
/// With CHAINRULE_CHECK_MEMORY=1 every buffer is filled with NaN and lies between two guard zones,
/// which are checked when it is released; the next synchronisation throws if a kernel wrote there.
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

#include "chainrule/backend/device/kernel_cache.hpp"
#include "chainrule/backend/device/runtime.hpp"

namespace chainrule::device {

/// Memory of a runtime: a buffer, the bytes requested, and the offset at which they begin.
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
    const std::string* text = nullptr;  // lives as long as there is a handle
  };
  /// Keeps a kernel loaded: the runtime unloads no kernel to which a handle exists elsewhere.
  using kernel_handle = std::shared_ptr<built_kernel>;
  /// A launch that was captured.
  struct captured_launch {
    kernel_handle kernel;
    work items;
    std::vector<argument> arguments;
  };
  /// What a captured graph needs while it lives.
  struct held_resources {
    std::vector<Buffer> buffers;  // taken from the pool or returned to it during the capture
    std::vector<captured_launch> launches;
    const char* other = nullptr;  // what was captured beside launches, the first of it
  };
  /// Kernels that a device keeps loaded; beyond that, the least recently used are unloaded.
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
        queue_deferred();
        note_other("filling memory");
        self().raw_fill(a.buffer, guard_byte, 0, size);
        self().raw_fill(a.buffer, 0xff, zone_, bytes);  // NaN in every floating-point type
      }
    } catch (...) {
      self().raw_release(a.buffer);
      throw;
    }
    return a;
  }

  /// Returns memory to the pool. Queued work may still use it: whatever reuses the buffer is queued
  /// later and runs after that work.
  void release(const allocation_type& a) noexcept {
    if (a.buffer == Buffer{}) return;
    const std::lock_guard lock(mutex_);
    try {
      // Captured work has not run yet, so there is no damage to find.
      if (zone_ > 0 && !capturing_) {
        queue_deferred();
        look_for_damage(a);
      }
      give_back(a.buffer, size_class(a.bytes + 2 * zone_));
    } catch (...) {  // no host memory for the entry, or a lost device
      self().raw_release(a.buffer);
    }
  }

  /// The kernel `cr_main` of a text, built at most once and looked up on disk before that. Throws
  /// backend_error with the numbered text and the compiler's log if it does not build.
  [[nodiscard]] kernel_handle kernel(const std::string& text) {
    const std::lock_guard lock(mutex_);
    return built("", text);
  }
  /// The kernel of a text that is generated only if no kernel with this `key` is loaded; `verb` is
  /// a part of the name of dumped files.
  template <class Text>
  [[nodiscard]] kernel_handle kernel(const std::string& key, const char* verb, Text&& text) {
    const std::lock_guard lock(mutex_);
    const auto found = keys_.find(key);
    if (found != keys_.end()) return found->second;
    const kernel_handle k = built(verb, text());
    if (keys_.size() >= 4 * most_kernels) keys_.clear();  // their kernels are found by text
    return keys_.emplace(key, k).first->second;
  }

  /// Queues a kernel; error messages name `verb`.
  void launch(const char* verb, const kernel_handle& k, const work& w,
              std::span<const argument> arguments) {
    const std::lock_guard lock(mutex_);  // in OpenCL, arguments are a part of the kernel
    require_alive();
    queue_deferred();
    last_verb_ = verb;
    k->last_use = ++uses_;
    if (!capturing_) {
      ++counted_.launches;
      return self().raw_launch(k->module, w, arguments);
    }
    captured_.push_back({k, w, {arguments.begin(), arguments.end()}});
    try {
      self().raw_launch(k->module, w, arguments);
    } catch (...) {
      captured_.pop_back();
      throw;
    }
  }

  /// Copies `rows` rows of `bytes` bytes to the device; returns when the host's memory may be
  /// reused.
  void upload(Buffer to, const rectangle& target, const void* from, std::size_t stride,
              std::size_t bytes, std::size_t rows) {
    const std::lock_guard lock(mutex_);
    require_waiting("upload");
    ++counted_.uploads;
    ++counted_.synchronizations;
    counted_.uploaded_bytes += bytes * rows;
    self().write(to, target, from, stride, bytes, rows);
  }
  /// Copies `rows` rows of `bytes` bytes from the device after all work queued before.
  void download(void* to, std::size_t stride, Buffer from, const rectangle& source,
                std::size_t bytes, std::size_t rows) {
    const std::lock_guard lock(mutex_);
    require_waiting("download");
    ++counted_.downloads;
    ++counted_.synchronizations;
    counted_.downloaded_bytes += bytes * rows;
    self().read(to, stride, from, source, bytes, rows);
  }

  /// Waits until all queued work is done. Throws errors of that work.
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
  /// Copies its first bytes to the device once the previous matrix has been read. Verbs queued from
  /// now on run after the copy.
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
  /// Declares that no verb queued later reads the matrix that was sent.
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
  /// Waits likewise before the memory is released; ignores errors of a lost device.
  template <class Staging>
  void end_staging(Staging& s) noexcept {
    const std::lock_guard lock(mutex_);
    try {
      self().raw_await(s);
    } catch (...) {  // on a lost device no copy is in flight
    }
  }

  // Graph capture, for runtimes that have `graph` (what end_capture returns), raw_begin_capture(),
  // raw_end_capture(), raw_abandon_capture() and raw_replay(graph); see device/graph_capture.hpp.
  // Optional: raw_prepare(graph, held), called when a capture has ended, and raw_queue_deferred(),
  // called before other work is queued or waited for, if raw_replay may defer its work.

  /// Captures what this thread queues, instead of running it, until end_capture(). Throws
  /// backend_error if a capture is active; until it ends, calls by other threads throw it too.
  void begin_capture() {
    const std::lock_guard lock(mutex_);
    require_alive();
    if (capturing_)
      throw backend_error(detail::concat(Derived::api, ": a capture is active already"));
    queue_deferred();
    self().raw_begin_capture();
    capturing_ = true;
    capturing_thread_ = std::this_thread::get_id();
    touched_.clear();
    captured_.clear();
    captured_other_ = nullptr;
  }
  /// The graph captured since begin_capture(); assigns to `held` the buffers and kernels that it
  /// needs. The pool does not reuse these buffers before let_go(held).
  [[nodiscard]] auto end_capture(held_resources& held) {
    const std::lock_guard lock(mutex_);
    auto captured = self().raw_end_capture();
    capturing_ = false;
    held.launches = std::exchange(captured_, {});
    held.other = captured_other_;
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
    if constexpr (requires { self().raw_prepare(captured, held); })
      self().raw_prepare(captured, held);
    return captured;
  }
  /// Ends a capture and discards it.
  void abandon_capture() noexcept {
    const std::lock_guard lock(mutex_);
    if (!capturing_) return;
    capturing_ = false;
    touched_.clear();
    captured_.clear();
    self().raw_abandon_capture();
  }
  /// Queues a captured graph `times` times.
  template <class Graph>
  void replay(const Graph& captured, std::uint64_t times) {
    const std::lock_guard lock(mutex_);
    require_alive();
    last_verb_ = "replay";
    note_other("a replay");
    for (; times > 0; --times) {
      self().raw_replay(captured);
      ++counted_.replays;
    }
  }
  /// Releases the buffers of a captured graph that is destroyed.
  void let_go(const held_resources& held) noexcept {
    const std::lock_guard lock(mutex_);
    try {
      queue_deferred();
    } catch (...) {  // a lost device, on which nothing runs
    }
    for (const Buffer b : held.buffers) {
      const auto h = held_.find(b);
      if (h == held_.end() || --h->second.holders > 0) continue;
      const held_buffer was = h->second;
      held_.erase(h);
      if (!was.is_free) continue;  // its owner has not released it
      try {
        give_back(b, was.size);
      } catch (...) {
        self().raw_release(b);
      }
    }
  }

  /// Queues replays that the runtime has deferred, for work that others queue.
  void queue_all() {
    const std::lock_guard lock(mutex_);
    require_alive();
    queue_deferred();
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

  /// Returns `make()`; if that runs out of memory, releases the pool's buffers and tries once more.
  template <class Make>
  [[nodiscard]] auto with_room(Make&& make) {
    try {
      return make();
    } catch (const out_of_memory&) {
      if (capturing_) throw;  // the captured work may use the pool's buffers
      queue_deferred();
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

  /// Queues work that is not a kernel of this library, such as a vendor's product. `work()` queues
  /// it, or does nothing and returns false.
  template <class Work>
  [[nodiscard]] bool queue(const char* verb, Work&& work) {
    const std::lock_guard lock(mutex_);
    require_alive();
    queue_deferred();
    last_verb_ = verb;
    if (!work()) return false;
    if (!capturing_) ++counted_.launches;
    note_other(verb);
    return true;
  }
  /// Queues replays that the runtime has deferred.
  void queue_deferred() {
    if constexpr (requires { self().raw_queue_deferred(); }) self().raw_queue_deferred();
  }
  /// What `read()` returns while no other thread uses the device.
  template <class Read>
  [[nodiscard]] auto locked(const Read& read) const {
    const std::lock_guard lock(mutex_);
    return read();
  }
  /// Counts a launch that runs the work of several replays.
  void count_persistent_launch() { ++counted_.persistent_launches; }
  /// Whether an error has made the device useless, for callers that hold the lock.
  [[nodiscard]] bool is_poisoned() const { return !fatal_.empty(); }
  /// Whether queued work is captured instead of run.
  [[nodiscard]] bool is_capturing() const { return capturing_; }

  /// Marks the device as lost: every later call throws this first error.
  void poison(const std::string& first_error) {
    if (fatal_.empty()) fatal_ = first_error;
  }
  /// The verb queued last, for errors that are reported asynchronously.
  [[nodiscard]] const char* last_verb() const { return last_verb_; }

 private:
  static constexpr unsigned char guard_byte = 0xa5;

  Derived& self() { return static_cast<Derived&>(*this); }

  void require_alive() const {
    if (!fatal_.empty())
      throw backend_error(detail::concat(
          Derived::api, ": the device cannot be used any more since an earlier error: ", fatal_));
    if (capturing_ && std::this_thread::get_id() != capturing_thread_)
      throw backend_error(detail::concat(
          Derived::api,
          ": another thread is capturing a step; use the device from one thread at a time"));
  }
  /// Throws as require_alive does, and if a capture is active: captured work does not run, so
  /// waiting for it would never end. Queues deferred replays.
  void require_waiting(const char* verb) {
    require_alive();
    if (capturing_)
      throw backend_error(detail::concat(
          Derived::api, ": ", verb, " waits for the device, so it cannot be captured; call it ",
          "before or after the step"));
    queue_deferred();
  }
  /// Remembers, during a capture, that other work than launches was captured.
  void note_other(const char* what) {
    if (capturing_ && captured_other_ == nullptr) captured_other_ = what;
  }

 protected:
  [[nodiscard]] kernel_handle built(const char* verb, const std::string& text) {
    require_alive();
    const auto found = kernels_.find(text);
    if (found != kernels_.end()) return found->second;
    if (kernels_.size() >= most_kernels && !capturing_) forget_kernels();
    const std::string whole = Derived::prelude() + text;
    const kernel_cache cache(Derived::api, self().fingerprint(), whole, verb);
    cache.dump();
    if (const std::optional<std::string> binary = cache.load())
      if (std::optional<Module> m = with_room([&] { return self().load(*binary); }))
        return keep(text, std::move(*m));
    ++counted_.builds;
    Module m = with_room([&] { return self().build(whole); });
    // So many builds mean that constants change all the time: these kernels will not be needed
    // again.
    if (counted_.builds <= most_kernels) cache.save(self().binary_of(m));
    return keep(text, std::move(m));
  }

 private:
  [[nodiscard]] kernel_handle keep(const std::string& text, Module&& m) {
    const auto at =
        kernels_.emplace(text, std::make_shared<built_kernel>(built_kernel{std::move(m), uses_}))
            .first;
    at->second->text = &at->first;
    return at->second;
  }
  /// Waits for the device and unloads the least recently used half of the kernels, except those
  /// that are about to be launched and those of captured graphs.
  void forget_kernels() {
    ++counted_.synchronizations;
    queue_deferred();
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

  /// Rounds a size up, so that a buffer can be reused for allocations of a similar size: to a
  /// multiple of a quarter of the power of two below, but by at most 64 KiB.
  static std::size_t size_class(std::size_t bytes) {
    std::size_t step = 64;
    while (step < 65536 && step * 8 <= bytes) step *= 2;
    return bytes == 0 ? step : (bytes + step - 1) / step * step;
  }

  /// Returns a buffer to the pool, or marks it as free while a captured graph needs it.
  void give_back(Buffer b, std::size_t size) {
    touch(b, size);
    const auto h = held_.find(b);
    if (h != held_.end())
      h->second.is_free = true;
    else
      pool_[size].push_back(b);
  }
  /// Remembers, during a capture, that the captured work may use a buffer.
  void touch(Buffer b, std::size_t size) {
    if (capturing_) touched_.emplace(b, size);
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

  /// A buffer that captured graphs use.
  struct held_buffer {
    std::size_t size = 0;
    int holders = 0;
    bool is_free = false;  // released by its owner
  };

  device_info info_;
  mutable std::mutex mutex_;
  std::map<std::size_t, std::vector<Buffer>> pool_;  // released buffers by size
  std::map<std::string, kernel_handle> kernels_;     // by text
  std::map<std::string, kernel_handle> keys_;        // the same by what the text is made from
  std::map<Buffer, held_buffer> held_;               // by captured graphs
  std::map<Buffer, std::size_t> touched_;            // during the active capture
  std::vector<captured_launch> captured_;            // during the active capture
  const char* captured_other_ = nullptr;             // likewise, see held_resources
  std::uint64_t uses_ = 0;                           // launches, captured ones included
  bool capturing_ = false;
  std::thread::id capturing_thread_;
  device_statistics counted_;
  std::string fatal_;   // why the device is lost, "" while it is not
  std::string damage_;  // what a guard zone showed
  const char* last_verb_ = "nothing";
  device_kind layout_ = device_kind::gpu;
  std::size_t zone_ = 0;
};

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_RUNTIME_BASE_HPP
