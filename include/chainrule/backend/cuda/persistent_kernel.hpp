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
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "chainrule/backend/device/runtime.hpp"

namespace chainrule::device {

/// A launch: the text of its kernel, its work items as grouped() gives them, its arguments.
struct composed_launch {
  std::string_view text;
  work items;
  std::span<const argument> arguments;
};

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

/// An argument of that value.
template <class Value>
[[nodiscard]] argument argument_of(const Value& value) {
  argument a;
  static_assert(sizeof value <= sizeof a.bytes);
  a.size = sizeof value;
  std::memcpy(a.bytes.data(), &value, sizeof value);
  return a;
}

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

[[nodiscard]] inline bool is_of_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}
/// The end of the name that begins at `from`.
[[nodiscard]] inline std::size_t end_of_name(std::string_view text, std::size_t from) {
  while (from < text.size() && is_of_name(text[from])) ++from;
  return from;
}
/// The last name that ends at or before `to`, and where it begins.
[[nodiscard]] inline std::string_view last_name(std::string_view text) {
  while (!text.empty() && !is_of_name(text.back())) text.remove_suffix(1);
  std::size_t from = text.size();
  while (from > 0 && is_of_name(text[from - 1])) --from;
  return text.substr(from);
}

/// Whether a text has a typedef of that name, each of which is a line.
[[nodiscard]] inline bool defines(std::string_view text, std::string_view type) {
  static constexpr std::string_view begin = "typedef ";
  for (std::size_t at = text.find(begin); at != std::string_view::npos; at = text.find(begin, at)) {
    const std::size_t end = text.find('\n', at);
    if (last_name(text.substr(at, end - at)) == type) return true;
    at += begin.size();
  }
  return false;
}

/// A parameter of a kernel: its type, as written outside of the namespace `scope`, and its name.
struct parameter {
  std::string type, name;
};
[[nodiscard]] inline parameter parameter_of(std::string_view source, std::string_view text,
                                            const std::string& scope) {
  parameter p;
  p.name = last_name(text);
  const std::string_view type = text.substr(0, text.rfind(p.name));
  for (std::size_t at = 0; at < type.size();) {
    const std::size_t end = std::max(end_of_name(type, at), at + 1);
    const std::string_view word = type.substr(at, end - at);
    if (defines(source, word)) p.type += scope + "::";
    p.type += word;
    at = end;
  }
  return p;
}

/// A kernel's text as a function of a namespace.
struct part {
  std::string_view source;
  std::string scope;
  std::string text;
  std::vector<parameter> parameters;
  bool has_memory = false;
};

/// The lines that undo the definitions of a text.
[[nodiscard]] inline std::string undefined(std::string_view text) {
  static constexpr std::string_view define = "#define ";
  std::string lines;
  for (std::size_t at = text.find(define); at != std::string_view::npos;
       at = text.find(define, at)) {
    at += define.size();
    const std::string_view name = text.substr(at, end_of_name(text, at) - at);
    const std::string line = "#undef " + std::string(name) + "\n";
    if (lines.find(line) == std::string::npos) lines += line;
  }
  return lines;
}

[[nodiscard]] inline part part_of(std::string_view source, const std::string& scope) {
  part p{source, scope, {}, {}, false};
  const std::size_t name = source.find("cr_main(");
  const std::size_t begin = source.rfind("KERNEL", name);
  std::size_t at = source.find('(', name) + 1;
  for (const std::size_t end = source.find(')', at); at < end;) {
    const std::size_t next = std::min(source.find(',', at), end);
    p.parameters.push_back(parameter_of(source, source.substr(at, next - at), scope));
    at = next + 1;
  }
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
      parameters += "," + type + name + own;
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
