/// \file
/// `node<B>`: one value of a graph, with the operation that made it.
///
/// A node counts its users: the variables that name it and the nodes that were made from it. Nodes
/// through which no gradient flows do not refer to what they were made from, which can then be
/// freed.
#ifndef CHAINRULE_AUTODIFF_NODE_HPP
#define CHAINRULE_AUTODIFF_NODE_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "chainrule/autodiff/memory_pool.hpp"

namespace chainrule::detail {

template <backend B>
class vjp_step;
template <backend B>
struct node;

/// Whether a view of B is plain memory of the host.
template <class B>
concept in_host_memory = B::host_memory;

/// What nodes of one kind have in common: their name and their vector-Jacobian product.
template <backend B>
struct operation {
  std::string_view name;
  /// Gives each input that wants it its gradient, from that of the node.
  void (*vjp)(vjp_step<B>&);
  /// Destroys what the node has saved for it; null for trivial values.
  void (*end_context)(node<B>&) = nullptr;
  /// What pictures of the graph show beside the name, such as a constant; may be null.
  std::string (*describe)(const node<B>&) = nullptr;
};

template <backend B>
struct node {
  static constexpr std::size_t few_inputs = 4;
  static constexpr std::size_t context_bytes = 32;

  const_matrix<B> value;
  buffer<B>* memory = nullptr;            // null: in `scalar`, or borrowed
  const operation<B>* made_by = nullptr;  // null: a leaf, or a result without a history
  std::array<node*, few_inputs> few{};
  node** inputs = few.data();  // or a longer list
  alignas(double) std::array<std::byte, context_bytes> context;
  scalar_t<B> scalar{};     // the value of a 1 x 1 in host memory
  std::uint32_t users = 0;  // variables and nodes; 0: the node is free
  std::uint32_t input_count = 0;
  bool wants_gradient = false;
  bool keeps_gradient = false;  // a leaf, or an intermediate that was asked to
  bool is_whole = false;        // the value is all of `memory`, and may be written while it is new
  bool is_external = false;     // gradients are added in place: the memory is the caller's
  bool is_released = false;     // a backward pass has freed what it was made from
  // The state of the backward pass that is under way:
  bool is_needed = false;
  bool is_target = false;
  std::uint32_t cursor = 0;
  std::uint64_t visit = 0;
  node* delta = nullptr;     // the gradient so far
  node* gradient = nullptr;  // the sum over all passes
  node* next = nullptr;      // in lists of free nodes

  /// Saves a C for the vector-Jacobian product.
  template <class C>
  void save(C c) {
    if constexpr (fits<C>)
      new (context.data()) C(std::move(c));
    else
      new (context.data()) C*(new C(std::move(c)));
  }
  template <class C>
  [[nodiscard]] C& saved() {
    if constexpr (fits<C>)
      return *std::launder(reinterpret_cast<C*>(context.data()));
    else
      return **std::launder(reinterpret_cast<C**>(context.data()));
  }
  template <class C>
  [[nodiscard]] const C& saved() const {
    return const_cast<node*>(this)->template saved<C>();
  }
  /// Destroys a saved C; null where there is nothing to destroy.
  template <class C>
  [[nodiscard]] static constexpr auto end_of() -> void (*)(node&) {
    if constexpr (fits<C>)
      return nullptr;
    else
      return [](node& n) { delete *std::launder(reinterpret_cast<C**>(n.context.data())); };
  }

 private:
  template <class C>
  static constexpr bool fits =
      sizeof(C) <= context_bytes && alignof(C) <= alignof(double) &&
      std::is_trivially_copyable_v<C>&& std::is_trivially_destructible_v<C>;
};

}  // namespace chainrule::detail

#endif  // CHAINRULE_AUTODIFF_NODE_HPP
