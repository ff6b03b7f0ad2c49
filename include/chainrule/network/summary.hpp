/// \file
/// The summary of a network as a table of text.
///
///     std::fputs(summary(net).c_str(), stdout);
#ifndef CHAINRULE_NETWORK_SUMMARY_HPP
#define CHAINRULE_NETWORK_SUMMARY_HPP

#include <algorithm>
#include <string>

#include "chainrule/core/text.hpp"
#include "chainrule/network/network.hpp"

namespace chainrule {

/// One line per layer (number, layer, output shape, parameters), then the total and the memory for
/// batches of 32 samples (network::memory). `n` stands for the number of samples.
template <backend B>
[[nodiscard, gnu::noinline]] std::string summary(const network<B>& net) {
  const detail::plain_vector<layer_summary> lines = net.layers();
  const char* const input = net.declared().index_count() > 0 ? "indices" : "input";
  std::size_t widest = std::string_view(input).size();
  for (const layer_summary& l : lines) widest = std::max(widest, l.name.size());

  const auto line = [&](std::string_view number, std::string_view name, std::string_view output,
                        std::string_view parameters) __attribute__((noinline)) {
    return detail::concat(detail::padded_left(number, 3), "  ", detail::padded_right(name, widest),
                          "  ", detail::padded_right(output, 10), "  ",
                          detail::padded_left(parameters, 12), "\n");
  };
  std::string table = line("", "layer", "output", "parameters") +
                      line("", input, detail::concat("n x ", to_string(net.input_shape())), "");
  for (std::size_t i = 0; i < lines.size(); ++i)
    table +=
        line(detail::concat(i), lines[i].name, detail::concat("n x ", to_string(lines[i].outputs)),
             detail::grouped(lines[i].parameters));
  const network_memory memory = net.memory(32);
  const auto megabytes = [](std::uint64_t bytes) {
    return detail::format("%.2f MB", static_cast<double>(bytes) / 1e6);
  };
  return detail::concat(table, line("", "total", "", detail::grouped(net.parameter_count())),
                        "     memory for batches of 32: ", megabytes(memory.inference.total()),
                        " in inference, ", megabytes(memory.training.total()), " in training\n");
}

}  // namespace chainrule

#endif  // CHAINRULE_NETWORK_SUMMARY_HPP
