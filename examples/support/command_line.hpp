/// \file
/// What the command lines of the examples share. Exit statuses: 0, 1 for a failure, 2 for a wrong
/// command line, 130 after an interrupt.
///
///     CLI::App app{"..."};
///     app.add_option("--seed", seed)->check(whole_number());
///     parse_or_exit(app, argc, argv);
#ifndef CHAINRULE_EXAMPLES_SUPPORT_COMMAND_LINE_HPP
#define CHAINRULE_EXAMPLES_SUPPORT_COMMAND_LINE_HPP

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <system_error>

/// Accepts a number up to `limit` in digits without a sign. CLI11 reads "-1" as 2^64 - 1.
inline CLI::Validator whole_number(std::uint64_t limit = ~std::uint64_t{0}) {
  return CLI::Validator(
      [limit](std::string& text) {
        std::uint64_t number = 0;
        const char* const end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, number);
        return error == std::errc{} && stop == end && number <= limit
                   ? std::string{}
                   : "expected a whole number from 0 to " + std::to_string(limit) + ", got " + text;
      },
      "");
}

/// Parses the command line. Ends the program with 0 after --help, with 2 if it is wrong.
inline void parse_or_exit(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e) == 0 ? 0 : 2);
  }
}

#endif  // CHAINRULE_EXAMPLES_SUPPORT_COMMAND_LINE_HPP
