/// \file
/// `graph<B>`: the nodes of a tape and their memory, and the weak handles that variables check.
#ifndef CHAINRULE_AUTODIFF_GRAPH_HPP
#define CHAINRULE_AUTODIFF_GRAPH_HPP

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "chainrule/autodiff/node.hpp"
#include "chainrule/ops/reductions.hpp"

namespace chainrule::detail {

/// A weak handle of a graph. Handles are never freed but reused with another generation: a variable
/// that outlives its graph finds a generation that is not its own, and never a dangling address.
struct weak_handle {
  std::atomic<std::uint64_t> generation{1};
  void* graph = nullptr;

  [[nodiscard]] bool is(std::uint64_t n) const {
    return generation.load(std::memory_order_relaxed) == n;
  }
  /// Invalidates all variables of the graph.
  void expire() { generation.fetch_add(1, std::memory_order_relaxed); }

  [[nodiscard]] static weak_handle* acquire() {
    registry& r = all_handles();
    const std::lock_guard lock(r.mutex);
    if (r.free.empty()) return &r.all.emplace_back();
    weak_handle* const h = r.free.back();
    r.free.pop_back();
    return h;
  }
  static void release(weak_handle* h) {
    h->expire();
    h->graph = nullptr;
    registry& r = all_handles();
    const std::lock_guard lock(r.mutex);
    r.free.push_back(h);
  }

 private:
  struct registry {
    std::mutex mutex;
    std::deque<weak_handle> all;
    std::vector<weak_handle*> free;
  };
  // Never destroyed: a variable of static storage may be destroyed after it.
  static registry& all_handles() {
    static registry& r = *new registry;
    return r;
  }
};

template <backend B>
class graph {
 public:
  using node_type = node<B>;

  explicit graph(const B& be) : be_(be), handle_(weak_handle::acquire()) { handle_->graph = this; }
  graph(const graph&) = delete;
  graph& operator=(const graph&) = delete;
  ~graph() {
    weak_handle::release(handle_);
    end_nodes();
  }

  [[nodiscard]] const B& backend() const { return be_; }
  [[nodiscard]] weak_handle* handle() const { return handle_; }
  /// How many nodes there are.
  [[nodiscard]] index_t size() const { return live_; }

  /// Whether new nodes refer to what they were made from.
  [[nodiscard]] bool records() const { return pauses_ == 0; }
  void pause_recording() { ++pauses_; }
  void resume_recording() { --pauses_; }

  /// A node of that shape with memory of its own, not initialised, and one user.
  [[nodiscard]] node_type* make(matrix_shape s) {
    node_type* const n = take();
    if constexpr (in_host_memory<B>)
      if (s.rows == 1 && s.cols == 1) {
        n->value = const_matrix<B>(&n->scalar, 1, 1);
        n->is_whole = true;
        return n;
      }
    try {
      n->memory = memory_.acquire(be_, s.size());
    } catch (...) {
      release(n);
      throw;
    }
    n->value = const_matrix<B>(n->memory->data, s.rows, s.cols);
    n->is_whole = true;
    return n;
  }

  /// A node whose value is `view`, which lies in the memory of the node `source`, or in the
  /// caller's if that is null.
  [[nodiscard]] node_type* make_view(const_matrix<B> view, node_type* source) {
    node_type* const n = take();
    n->value = view;
    if (source != nullptr && source->memory != nullptr) {
      n->memory = source->memory;
      ++n->memory->users;
    }
    return n;
  }

  /// A node whose value is the caller's memory, to which gradients are added in place.
  [[nodiscard]] node_type* make_external(matrix<B> m) {
    node_type* const n = take();
    n->memory = memory_.borrow(m.data());
    n->value = m;
    n->is_external = true;
    return n;
  }

  /// The value of a node that was made and not used yet, or is external, to be written.
  [[nodiscard]] matrix<B> writable(node_type* n) {
    if constexpr (in_host_memory<B>)
      if (n->memory == nullptr) return matrix<B>(&n->scalar, 1, 1);
    return matrix<B>(n->memory->data, n->value.rows(), n->value.cols(), n->value.stride());
  }

  /// Discards the gradient of n, or sets it to 0 where it is external.
  void clear_gradient(node_type& n) {
    if (n.gradient->is_external)
      ops::fill(be_, writable(n.gradient), 0);
    else
      release(std::exchange(n.gradient, nullptr));
  }

  /// Whether the value has one user only, so that it may be written again.
  [[nodiscard]] bool is_private(const node_type* n) const {
    return n->users == 1 && n->is_whole && (n->memory == nullptr || n->memory->users == 1);
  }

  static void retain(node_type* n) { ++n->users; }
  void release(node_type* n) {
    if (--n->users == 0) dispose(n);
  }

  /// Releases what the node was made from.
  void forget_inputs(node_type* n) {
    for (std::uint32_t i = 0; i < n->input_count; ++i) release(n->inputs[i]);
    end_history(n);
  }

  /// Ends every node and invalidates all variables.
  void clear() {
    handle_->expire();
    end_nodes();
    chunks_.clear();
    free_ = nullptr;
    live_ = 0;
    memory_ = {};
  }

  /// Calls f(node) for each.
  template <class F>
  void each(F&& f) {
    for (auto& chunk : chunks_)
      for (std::size_t i = 0; i < chunk_size; ++i)
        if (chunk[i].users > 0) f(chunk[i]);
  }

  /// Calls leave(node) for each node that `root` was made from and for which wants(node): once, for
  /// inputs before results. Not to be called by `leave`.
  template <class Wants, class Leave>
  void walk(node_type* root, const Wants& wants, const Leave& leave) {
    stack_.clear();  // of a walk that threw
    const std::uint64_t visit = ++visits_;
    const auto enter = [&](node_type* n) {
      if (n->visit == visit || !wants(n)) return;
      n->visit = visit;
      n->cursor = 0;
      stack_.push_back(n);
    };
    enter(root);
    while (!stack_.empty()) {
      node_type* const n = stack_.back();
      if (n->cursor < n->input_count) {
        enter(n->inputs[n->cursor++]);
      } else {
        stack_.pop_back();
        leave(n);
      }
    }
  }

  /// A list whose memory is reused from backward pass to backward pass.
  std::vector<node_type*> order;

 private:
  static constexpr std::size_t chunk_size = 256;

  node_type* take() {
    if (free_ == nullptr) grow();
    node_type* const n = free_;
    free_ = n->next;
    n->users = 1;
    ++live_;
    return n;
  }

  [[gnu::noinline]] void grow() {
    chunks_.push_back(std::make_unique<node_type[]>(chunk_size));
    for (std::size_t i = chunk_size; i-- > 0;) {
      chunks_.back()[i].next = free_;
      free_ = &chunks_.back()[i];
    }
  }

  static void end_history(node_type* n) {
    if (n->made_by != nullptr && n->made_by->end_context != nullptr) n->made_by->end_context(*n);
    n->made_by = nullptr;
    if (n->inputs != n->few.data()) {
      delete[] n->inputs;
      n->inputs = n->few.data();
    }
    n->input_count = 0;
  }

  /// Frees a node without users, and those that lose their last user by it. It loops, because
  /// recursion over a long chain of nodes would overflow the stack.
  void dispose(node_type* first) {
    first->next = nullptr;
    for (node_type* dead = first; dead != nullptr;) {
      node_type* const n = dead;
      dead = n->next;
      const auto leave = [&](node_type* other) {
        if (other != nullptr && --other->users == 0) {
          other->next = dead;
          dead = other;
        }
      };
      for (std::uint32_t i = 0; i < n->input_count; ++i) leave(n->inputs[i]);
      leave(n->gradient);
      leave(n->delta);
      end_history(n);
      if (n->memory != nullptr) memory_.release(n->memory);
      n->memory = nullptr;
      n->gradient = n->delta = nullptr;
      n->wants_gradient = n->keeps_gradient = n->is_whole = false;
      n->is_external = n->is_released = false;
      n->next = free_;
      free_ = n;
      --live_;
    }
  }

  /// Destroys what nodes have saved; the pool frees the memory of their values.
  void end_nodes() {
    each([](node_type& n) { end_history(&n); });
  }

  B be_;
  weak_handle* handle_;
  std::vector<std::unique_ptr<node_type[]>> chunks_;
  memory_pool<B> memory_;
  node_type* free_ = nullptr;
  index_t live_ = 0;
  int pauses_ = 0;
  std::vector<node_type*> stack_;
  std::uint64_t visits_ = 0;
};

}  // namespace chainrule::detail

#endif  // CHAINRULE_AUTODIFF_GRAPH_HPP
