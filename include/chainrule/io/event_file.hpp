/// \file
/// `event_file`: scalars and histograms in the files that TensorBoard reads.
///
///     event_file file("logs/first");          // a new file in that folder
///     event_summary values;
///     values.scalar("loss", 0.25);
///     values.histogram("0.weight", std::span<const float>(weights));
///     file.write(/*step*/ 3, values);
///
/// A file is a sequence of records (TFRecord) that hold a message `Event` of TensorFlow each. See
/// also train/tensorboard_log.hpp.
#ifndef CHAINRULE_IO_EVENT_FILE_HPP
#define CHAINRULE_IO_EVENT_FILE_HPP

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "chainrule/core/checksum.hpp"
#include "chainrule/core/file_descriptor.hpp"
#include "chainrule/core/finite.hpp"
#include "chainrule/core/text.hpp"
#include "chainrule/io/log_file.hpp"
#include "chainrule/io/protobuf_writer.hpp"

namespace chainrule {

namespace detail {

/// A CRC-32C in the form in which records store it. Source:
/// https://www.tensorflow.org/tutorials/load_data/tfrecord.
[[nodiscard]] inline std::uint32_t masked_crc32c(std::string_view bytes) {
  const std::uint32_t sum = crc32c_of(std::as_bytes(std::span(bytes.data(), bytes.size())));
  return std::rotr(sum, 15) + 0xA282EAD8U;
}

/// The length of the data, its checksum, the data, their checksum.
[[nodiscard]] inline std::string tfrecord(std::string_view data) {
  std::string record;
  append_little_endian(record, static_cast<std::uint64_t>(data.size()));
  append_little_endian(record, masked_crc32c(record));
  record += data;
  append_little_endian(record, masked_crc32c(data));
  return record;
}

}  // namespace detail

/// The values of one step: a message `Summary`. Field numbers: summary.proto, histogram.proto of
/// TensorFlow.
class event_summary {
 public:
  /// Adds a scalar, which is stored as a float.
  void scalar(std::string_view tag, double value) {
    summary_.message(1, protobuf_writer{}.text(1, tag).number(2, static_cast<float>(value)));
  }

  /// Adds a histogram of 30 intervals of equal width from the smallest number to the largest.
  /// Numbers that are not finite are left out; without any other, nothing is added.
  template <std::floating_point T>
  void histogram(std::string_view tag, std::span<const T> numbers) {
    double count = 0, sum = 0, squares = 0, least = 0, most = 0;
    for (const T number : numbers) {
      if (!detail::is_finite(number)) continue;
      const auto x = static_cast<double>(number);
      least = count == 0 ? x : std::min(least, x);
      most = count == 0 ? x : std::max(most, x);
      count += 1;
      sum += x;
      squares += x * x;
    }
    if (count == 0) return;
    const double width = most / intervals - least / intervals;
    const auto used = static_cast<std::size_t>(width > 0 ? intervals : 1);
    std::array<double, intervals> counts{};
    std::array<double, intervals> limits{};
    for (std::size_t i = 0; i < used; ++i) limits[i] = least + width * static_cast<double>(i + 1);
    limits[used - 1] = most;
    for (const T number : numbers) {
      if (!detail::is_finite(number)) continue;
      const double at = width > 0 ? (static_cast<double>(number) - least) / width : 0;
      counts[static_cast<std::size_t>(std::min(at, intervals - 1.0))] += 1;
    }
    protobuf_writer h;
    h.number(1, least).number(2, most).number(3, count).number(4, sum).number(5, squares);
    h.numbers(6, std::span(limits).first(used)).numbers(7, std::span(counts).first(used));
    summary_.message(1, protobuf_writer{}.text(1, tag).message(5, h));
  }

  /// The encoded message.
  [[nodiscard]] const protobuf_writer& message() const { return summary_; }

 private:
  static constexpr int intervals = 30;
  protobuf_writer summary_;
};

class event_file {
 public:
  /// A new file in `folder`, which is made. Throws io_error.
  explicit event_file(const std::string& folder) : file_(name_in(folder), false) {
    write_event(protobuf_writer{}.number(1, now()).text(3, "brain.Event:2"));
  }

  /// Appends the values of a step. Throws io_error.
  void write(std::int64_t step, const event_summary& values) {
    write_event(protobuf_writer{}.number(1, now()).integer(2, step).message(5, values.message()));
  }

  [[nodiscard]] const std::string& path() const { return file_.path(); }

 private:
  void write_event(const protobuf_writer& event) { file_.write(detail::tfrecord(event.bytes())); }

  /// Seconds since 1970.
  [[nodiscard]] static double now() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  /// TensorBoard takes files with "tfevents" in their names, in alphabetical order.
  [[nodiscard]] static std::string name_in(const std::string& folder) {
    static std::atomic<unsigned> number{0};
    if (!detail::make_folders(folder))
      throw io_error(detail::system_says("cannot make the folder", folder));
    char host[256] = {};
    if (::gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
    return detail::concat(folder, "/events.out.tfevents.", static_cast<long long>(now()), ".",
                          static_cast<const char*>(host), ".", ::getpid(), ".", number++);
  }

  log_file file_;
};

}  // namespace chainrule

#endif  // CHAINRULE_IO_EVENT_FILE_HPP
