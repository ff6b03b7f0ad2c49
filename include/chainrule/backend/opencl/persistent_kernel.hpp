/// \file
/// The text of a persistent kernel for CPU devices: launches that follow each other, composed into
/// one kernel that runs them, and repeats them, without the host.
///
///     const cpu_persistent_kernel k = compose_for_cpu(launches, units);
///     k.text;                                     // OpenCL C, for groups of one work item
///
/// A launch of a few microseconds costs a driver more than its work: it wakes the threads that
/// wait for each kernel. Here the work items of the launches are cut into parts, which groups claim
/// in order from a counter in memory: a part when all parts of the launches before it are done. So
/// no group depends on another one being run at the same time: a driver may run groups in turn. A
/// group that has waited for long leaves its work to the others, as where threads outnumber cores.
/// Which group computes a part changes no result.
///
/// The kernel of each text becomes a function; names that texts define get a prefix. Numbers among
/// the arguments are elements of one buffer, since a kernel takes no more than 1024 bytes.
#ifndef CHAINRULE_BACKEND_OPENCL_PERSISTENT_KERNEL_HPP
#define CHAINRULE_BACKEND_OPENCL_PERSISTENT_KERNEL_HPP

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chainrule/backend/device/composed_launch.hpp"

namespace chainrule::device {

/// A kernel that runs several launches in turn, and that as often as its first argument says.
struct cpu_persistent_kernel {
  std::string text;
  /// The buffers of the launches. The kernel's arguments are the number of steps (uint), the buffer
  /// of the counters (counter_bytes, zeros at first and at the end of each launch), that of the
  /// numbers, then these.
  std::vector<argument> buffers;
  /// Of 8 bytes each: the parts of a step; of each launch its parts, the work items of a row, all,
  /// those of a part, and its other arguments.
  std::vector<argument> numbers;
  static constexpr std::size_t counter_bytes = 256;
};

namespace persistent_detail {

/// Redefines what makes a text a kernel (opencl/runtime.hpp) for groups of one work item, for which
/// local memory is private and barriers are nothing.
inline constexpr const char* cpu_dialect = R"text(#undef KERNEL
#undef KERNEL_OF
#undef KERNEL_OF_TWO
#undef LOCAL
#undef INDEX
#undef GROUP
#undef LOCAL_INDEX
#undef BARRIER
#define KERNEL FUNCTION void
#define KERNEL_OF(width, height) KERNEL
#define KERNEL_OF_TWO(width, height) KERNEL
#define LOCAL
#define INDEX(d) ((d) == 0 ? cr_column : cr_row)
#define GROUP(d) INDEX(d)
#define LOCAL_INDEX(d) 0
#define BARRIER
#ifdef __clang__
#pragma clang diagnostic ignored "-Wpass-failed"
#define CR_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define CR_INDEPENDENT
#endif
#define CR_CLAIMED cr_counters[0]
#define CR_DONE cr_counters[16]
#define CR_ENDED cr_counters[32]
)text";

/// Calls use(name) for all functions and types that a text defines.
template <class Use>
void each_name(std::string_view text, const Use& use) {
  for (const auto& [begin, end] : {std::pair{std::string_view("FUNCTION "), '('},
                                   std::pair{std::string_view("typedef "), ';'}})
    for (std::size_t at = text.find(begin); at != std::string_view::npos;
         at = text.find(begin, at)) {
      const std::size_t to = text.find(end, at);
      use(std::string(last_name(text.substr(at, to - at))));
      at = to;
    }
}

/// A text whose kernel is a function of the place of its work item and its parameters; `prefix`
/// precedes the names that it defines.
[[nodiscard]] inline std::string as_function(std::string_view source, const std::string& prefix) {
  std::string text;
  std::string undone = "#undef cr_main\n" + undefined(source);
  each_name(source, [&](const std::string& name) {
    text += "#define " + name + " " + prefix + name + "\n";
    undone += "#undef " + name + "\n";
  });
  constexpr std::string_view main = "cr_main(";
  const std::size_t parameters = source.find(main) + main.size();
  return text + "#define cr_main " + prefix + "cr_main\n" +
         std::string(source.substr(0, parameters)) + "const long cr_column, const long cr_row, " +
         std::string(source.substr(parameters)) + undone;
}

/// A kernel that is composed launch by launch: of each a case that computes a part of it, and the
/// statements by which the number of a part of the step is searched.
struct cpu_composition {
  cpu_persistent_kernel kernel;
  std::vector<std::string_view> texts;
  std::string parameters;
  std::string search;
  std::string cases;

  /// A number's place in memory.
  std::string place(const argument& a) {
    kernel.numbers.push_back(a);
    return "(cr_numbers + " + std::to_string(kernel.numbers.size() - 1) + ")";
  }
  /// Adds a constant to the case.
  void declare(const std::string& type, const std::string& name, const argument& value) {
    cases += "        const " + type + " " + name + " = *(GLOBAL const " + type + "*)" +
             place(value) + ";\n";
  }
  /// The name of the kernel's parameter for a buffer.
  std::string buffer(const argument& b) {
    std::vector<argument>& all = kernel.buffers;
    const auto same =
        std::find_if(all.begin(), all.end(), [&](const argument& a) { return a.bytes == b.bytes; });
    const std::string name = "cr_buffer" + std::to_string(same - all.begin());
    if (same == all.end()) {
      all.push_back(b);
      parameters += ", GLOBAL long* " + name;
    }
    return name;
  }
  /// Adds the case of a launch whose work items are cut into parts of `each`.
  void add(const composed_launch& l, const std::string& number, std::size_t each,
           std::size_t parts) {
    const auto found = std::find(texts.begin(), texts.end(), l.text);
    const std::string prefix = "part" + std::to_string(found - texts.begin()) + "_";
    if (found == texts.end()) {
      texts.push_back(l.text);
      kernel.text += as_function(l.text, prefix);
    }
    const auto extent = [](std::size_t n) { return argument_of(static_cast<std::int64_t>(n)); };
    const std::string own = "*" + place(extent(parts));
    search += "    if (launch == " + number + " && part >= " + own + ")\n      part -= " + own +
              ", begin += " + own + ", ++launch;\n";
    cases += "      case " + number + ": {\n";
    declare("long", "width", extent(l.items.width));
    declare("long", "items", extent(l.items.width * l.items.height));
    declare("long", "each", extent(each));
    std::string values;
    std::size_t at = 0;
    for (const auto& [type, name] : parameters_of(l.text, prefix)) {
      const argument& value = l.arguments[at++];
      if (type.find('*') != std::string::npos) {
        values += ", (" + type + ")" + buffer(value);
      } else {
        declare(type, "cr_" + name, value);
        values += ", cr_" + name;
      }
    }
    // Work items of a launch are independent; where a group has one, they have loops of their own.
    cases += R"(        long item = part * each;
        const long last = min(item + each, items);
        while (item < last) {
          const long row = item / width;
          const long from = item - row * width;
          const long to = min(from + last - item, width);
)" + std::string(l.items.local_width == 0 ? "          CR_INDEPENDENT\n" : "") +
             R"(          for (long column = from; column < to; ++column)
            )" +
             prefix + "cr_main(column, row" + values + R"();
          item += to - from;
        }
        break;
      }
)";
  }
};

}  // namespace persistent_detail

/// Composes launches of groups of one work item, of which there is one at least, for a device of
/// that many units.
[[nodiscard]] inline cpu_persistent_kernel compose_for_cpu(
    std::span<const composed_launch> launches, int units) {
  persistent_detail::cpu_composition c;
  c.kernel.text = persistent_detail::cpu_dialect;
  c.place(argument_of(std::int64_t{0}));
  std::int64_t all = 0;
  for (std::size_t n = 0; n < launches.size(); ++n) {
    // Several parts for each unit, so that a thread which begins late finds some.
    const std::size_t items = launches[n].items.width * launches[n].items.height;
    const std::size_t most = 8 * static_cast<std::size_t>(std::max(units, 1));
    const std::size_t each = (items + most - 1) / most;
    const std::size_t parts = (items + each - 1) / each;
    all += static_cast<std::int64_t>(parts);
    c.add(launches[n], std::to_string(n), each, parts);
  }
  c.kernel.numbers.front() = argument_of(all);
  c.kernel.text += R"(__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void cr_main(
    uint steps, GLOBAL volatile uint* cr_counters, GLOBAL const long* cr_numbers)" +
                   c.parameters + R"() {
  const uint all = (uint)cr_numbers[0];
  for (;;) {
    const uint claimed = CR_CLAIMED;
    if (claimed >= steps * all) break;
    uint part = claimed % all;
    uint begin = claimed - part;
    int launch = 0;
)" + c.search + R"(    int patience = 1 << 22;
    while (CR_DONE < begin && patience > 0) --patience;
    if (patience == 0) break;
    if (atomic_cmpxchg(&CR_CLAIMED, claimed, claimed + 1) != claimed) continue;
    mem_fence(CLK_GLOBAL_MEM_FENCE);  // what was done is visible from now on
    switch (launch) {
)" + c.cases + R"(    }
    mem_fence(CLK_GLOBAL_MEM_FENCE);
    atomic_inc(&CR_DONE);
  }
  if (atomic_inc(&CR_ENDED) == get_num_groups(0) - 1) CR_CLAIMED = CR_DONE = CR_ENDED = 0;
}
)";
  return std::move(c.kernel);
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_OPENCL_PERSISTENT_KERNEL_HPP
