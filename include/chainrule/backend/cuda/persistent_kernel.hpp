/// \file
/// The text of a persistent kernel: launches that follow each other, composed into one kernel that
/// runs them, and repeats them, without the host.
///
///     const persistent_kernel k = compose(launches);   // of texts of backend/device/kernels/
///     k.text;                                           // CUDA C++, for a cooperative launch
///
/// The kernel of each text becomes a function of a namespace of its own. Blocks share the groups of
/// a launch: block b computes groups b, b + grid, b + 2 grid, ... A barrier over the grid follows
/// each launch. Every work item performs the operations of the kernel that it had, in their order.
///
/// Blocks have one size, that of the largest group. Where groups are smaller, the other threads
/// pass by; barriers within a group are those of its threads alone. Local memory of all kernels is
/// one union.
///
/// See cuda/runtime.hpp, which launches it.
#ifndef CHAINRULE_BACKEND_CUDA_PERSISTENT_KERNEL_HPP
#define CHAINRULE_BACKEND_CUDA_PERSISTENT_KERNEL_HPP

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "chainrule/backend/device/composed_launch.hpp"

namespace chainrule::device {

/// A kernel that runs several launches in turn, and that as often as its first argument says.
struct persistent_kernel {
  std::string text;
  /// Steps (unsigned), the counter of the barrier over the grid (a buffer of an unsigned number
  /// that is 0 at first), then of each launch the groups of a row and all groups (unsigned) and its
  /// own.
  std::vector<argument> arguments;
  std::size_t items = 0;   ///< of a block
  std::size_t groups = 0;  ///< the most of a launch
};

namespace persistent_detail {

/// Redefines what makes a text a kernel (cuda/compiler.hpp). The arguments of `cr_main` follow the
/// place of the work item.
inline constexpr const char* dialect = R"(#undef KERNEL
#undef KERNEL_OF
#undef KERNEL_OF_TWO
#undef GROUP
#undef LOCAL_INDEX
#undef INDEX
#undef BARRIER
#define KERNEL FUNCTION void
#define KERNEL_OF(width, height) KERNEL
#define KERNEL_OF_TWO(width, height) KERNEL
#define GROUP(d) ((long)((d) == 0 ? cr_at.column : cr_at.row))
#define LOCAL_INDEX(d) ((d) == 0 ? cr_at.across : cr_at.down)
#define INDEX(d) (GROUP(d) * ((d) == 0 ? cr_at.width : cr_at.height) + LOCAL_INDEX(d))
#define BARRIER __barrier_sync_count(1, cr_at.width * cr_at.height)
#define cr_main(...) cr_main(const cr_where cr_at, __VA_ARGS__)
#ifndef SPIN
#define SPIN
#endif
struct cr_where {
  unsigned column, row;
  int across, down, width, height;
  void* memory;
};
FUNCTION void cr_meet(unsigned* arrived) {
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    const unsigned all = 0x80000000u;
    const unsigned before = atomicAdd(arrived, blockIdx.x == 0 ? all - (gridDim.x - 1) : 1u);
    while (((before ^ *(volatile unsigned*)arrived) & all) == 0) SPIN;
    __threadfence();
  }
  __syncthreads();
}
)";

/// A kernel's text as a function of a namespace.
struct part {
  std::string_view source;
  std::string scope;
  std::string text;
  std::vector<parameter> parameters;
  bool has_memory = false;
};

[[nodiscard]] inline part part_of(std::string_view source, const std::string& scope) {
  part p{source, scope, {}, parameters_of(source, scope + "::"), false};
  const std::size_t begin = source.rfind("KERNEL", source.find("cr_main("));
  std::size_t at = 0;
  // Variables in local memory become members, and references to them.
  std::string memory;
  std::string body;
  static constexpr std::string_view local = "  LOCAL ";
  if (source.find(local) < begin)
    throw backend_error("a function that a kernel of the step calls has local memory of its own");
  for (at = begin;;) {
    const std::size_t found = source.find(local, at);
    body += source.substr(at, found - at);
    if (found == std::string_view::npos) break;
    at = found + local.size();
    std::size_t end = at;
    for (int depth = 0; source[end] != ';' || depth > 0; ++end)
      depth += source[end] == '{' ? 1 : source[end] == '}' ? -1 : 0;
    const std::string_view declaration = source.substr(at, end - at);
    const std::size_t after_type = declaration.rfind('}') + 1;  // 0 without one
    const std::string variable(last_name(declaration.substr(0, declaration.find('[', after_type))));
    memory += "  " + std::string(declaration) + ";\n";
    body += "  auto& " + variable + " = static_cast<cr_local*>(cr_at.memory)->" + variable;
    at = end;
  }
  p.has_memory = !memory.empty();
  p.text = "namespace " + scope + " {\n" + std::string(source.substr(0, begin)) +
           (p.has_memory ? "struct cr_local {\n" + memory + "};\n" : "") + body + "}\n" +
           undefined(source);
  return p;
}

}  // namespace persistent_detail

/// Composes launches, of which there is one at least, into one kernel for blocks of one dimension.
/// The caller refuses those of 2^32 groups. Throws backend_error.
[[nodiscard]] inline persistent_kernel compose(std::span<const composed_launch> launches) {
  using persistent_detail::part;
  persistent_kernel k;
  k.arguments = {argument_of(0U), argument_of(static_cast<void*>(nullptr))};
  for (const composed_launch& l : launches)
    k.items = std::max(k.items, l.items.local_width * l.items.local_height);
  std::vector<part> parts;
  std::string parameters;
  std::string calls;
  std::string memory;
  for (std::size_t n = 0; n < launches.size(); ++n) {
    const composed_launch& l = launches[n];
    auto of =
        std::find_if(parts.begin(), parts.end(), [&](const part& p) { return p.source == l.text; });
    if (of == parts.end()) {
      parts.push_back(persistent_detail::part_of(l.text, "part" + std::to_string(parts.size())));
      of = parts.end() - 1;
      if (of->has_memory) memory += "    " + of->scope + "::cr_local of_" + of->scope + ";\n";
    }
    const work& w = l.items;
    const std::size_t columns = w.width / w.local_width;
    const std::size_t groups = columns * (w.height / w.local_height);
    k.groups = std::max(k.groups, groups);
    k.arguments.push_back(argument_of(static_cast<unsigned>(columns)));
    k.arguments.push_back(argument_of(static_cast<unsigned>(groups)));
    k.arguments.insert(k.arguments.end(), l.arguments.begin(), l.arguments.end());
    const std::string own = "_" + std::to_string(n);
    const std::string width = std::to_string(w.local_width);
    const std::string items = std::to_string(w.local_width * w.local_height);
    parameters += ",\n    unsigned cr_columns" + own + ", unsigned cr_groups" + own;
    std::string values;
    for (const auto& [type, name] : of->parameters) {
      parameters += ", " + type + name + own;
      values += ", " + name + own;
    }
    if (n > 0) calls += "    cr_meet(arrived);\n";
    calls += "    if (item < " + items +
             ")\n      for (unsigned group = blockIdx.x; group < cr_groups" + own +
             "; group += gridDim.x) {\n        const cr_where cr_at{group % cr_columns" + own +
             ", group / cr_columns" + own + ", (int)(item % " + width + "), (int)(item / " + width +
             "), " + width + ", " + std::to_string(w.local_height) + ", " +
             (of->has_memory ? "&memory" : "0") + "};\n        " + of->scope + "::cr_main(cr_at" +
             values + ");\n" + (of->has_memory ? "        BARRIER;\n" : "") + "      }\n";
  }
  k.text = persistent_detail::dialect;
  for (const part& p : parts) k.text += p.text;
  const std::string shared =
      memory.empty() ? "" : "  __shared__ union {\n" + memory + "  } memory;\n";
  // One block of a multiprocessor is enough: else the compiler keeps to 64 registers and spills.
  k.text += "#undef cr_main\nextern \"C\" __global__ void __launch_bounds__(" +
            std::to_string(k.items) + ", 1) cr_main(unsigned steps, unsigned* arrived" +
            parameters + ") {\n" + shared +
            "  const unsigned item = threadIdx.x;\n  for (unsigned step = 0;;) {\n" + calls +
            "    if (++step == steps) break;\n    cr_meet(arrived);\n  }\n}\n";
  return k;
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_CUDA_PERSISTENT_KERNEL_HPP
