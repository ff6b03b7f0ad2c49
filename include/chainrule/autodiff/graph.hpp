/// \file
/// `graph<B>`: the nodes of a tape and their memory; and how a variable knows that they are gone.
#ifndef CHAINRULE_AUTODIFF_GRAPH_HPP
#define CHAINRULE_AUTODIFF_GRAPH_HPP

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "chainrule/autodiff/node.hpp"

namespace chainrule::detail {

/// Tells whether a graph is still there. Tickets are never freed but used again, with another
/// number: a variable that comes too late finds a number that is not its own, and no dangling
/// address.
struct ticket {
  std::atomic<std::uint64_t> number{1};
  void* graph = nullptr;

  [[nodiscard]] bool is(std::uint64_t n) const {
    return number.load(std::memory_order_relaxed) == n;
  }
  /// All variables of the graph come too late from now on.
  void expire() { number.fetch_add(1, std::memory_order_relaxed); }

  [[nodiscard]] static ticket* take() {
    office& o = the_office();
    const std::lock_guard lock(o.mutex);
    if (o.free.empty()) return &o.all.emplace_back();
    ticket* const t = o.free.back();
    o.free.pop_back();
    return t;
  }
  static void give_back(ticket* t) {
    t->expire();
    t->graph = nullptr;
    office& o = the_office();
    const std::lock_guard lock(o.mutex);
    o.free.push_back(t);
  }

 private:
  struct office {
    std::mutex mutex;
    std::deque<ticket> all;
    std::vector<ticket*> free;
  };
  // Never destroyed: variables may outlive everything.
  static office& the_office() {
    static office& o = *new office;
    return o;
  }
};

template <backend B>
class graph {
 public:
  using node_type = node<B>;

  explicit graph(const B& be) : be_(be), ticket_(ticket::take()) { ticket_->graph = this; }
  graph(const graph&) = delete;
  graph& operator=(const graph&) = delete;
  ~graph() {
    ticket::give_back(ticket_);
    end_nodes();
  }

  [[nodiscard]] const B& backend() const { return be_; }
  [[nodiscard]] ticket* proof() const { return ticket_; }
  /// How many nodes there are.
  [[nodiscard]] index_t size() const { return live_; }

  /// Whether new nodes remember what they were made from.
  [[nodiscard]] bool records() const { return silence_ == 0; }
  void begin_silence() { ++silence_; }
  void end_silence() { --silence_; }

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

  /// A node that looks at `view`, which lies in the memory of `source`, or nobody's.
  [[nodiscard]] node_type* make_view(const_matrix<B> view, node_type* source) {
    node_type* const n = take();
    n->value = view;
    if (source != nullptr && source->memory != nullptr) {
      n->memory = source->memory;
      ++n->memory->users;
    }
    return n;
  }

  /// The value of a node that was made and not used yet, to be written.
  [[nodiscard]] matrix<B> writable(node_type* n) {
    if constexpr (in_host_memory<B>)
      if (n->memory == nullptr) return matrix<B>(&n->scalar, 1, 1);
    return matrix<B>(n->memory->data, n->value.rows(), n->value.cols());
  }

  /// Whether nobody but one user can see the value, so that it may be written again.
  [[nodiscard]] bool is_private(const node_type* n) const {
    return n->users == 1 && n->is_whole && (n->memory == nullptr || n->memory->users == 1);
  }

  static void retain(node_type* n) { ++n->users; }
  void release(node_type* n) {
    if (--n->users == 0) dispose(n);
  }

  /// Lets go of what the node was made from.
  void forget_inputs(node_type* n) {
    for (std::uint32_t i = 0; i < n->input_count; ++i) release(n->inputs[i]);
    end_history(n);
  }

  /// Ends every node; all variables come too late from now on.
  void clear() {
    ticket_->expire();
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

  /// Numbers the walks through the graph.
  [[nodiscard]] std::uint64_t next_visit() { return ++visits_; }

  /// Room that backward passes use one after another.
  std::vector<node_type*> order;
  std::vector<node_type*> stack;

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

  /// Frees a node without users, and those that lose their last user by it: in a loop, for a chain
  /// of them may be longer than the stack.
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
      n->wants_gradient = n->keeps_gradient = n->is_whole = n->is_released = false;
      n->next = free_;
      free_ = n;
      --live_;
    }
  }

  /// Ends what nodes keep beside memory, which goes with the pool.
  void end_nodes() {
    each([](node_type& n) { end_history(&n); });
  }

  B be_;
  ticket* ticket_;
  std::vector<std::unique_ptr<node_type[]>> chunks_;
  memory_pool<B> memory_;
  node_type* free_ = nullptr;
  index_t live_ = 0;
  int silence_ = 0;
  std::uint64_t visits_ = 0;
};

}  // namespace chainrule::detail

#endif  // CHAINRULE_AUTODIFF_GRAPH_HPP
