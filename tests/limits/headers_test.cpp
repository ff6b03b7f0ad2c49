// What a hostile header can make a reader allocate.
#include <cstdint>
#include <cstring>
#include <string>

#include "chainrule/io/safetensors.hpp"
#include "limits/heap.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace chainrule;

namespace {

/// A header of 16 MB, the most there may be, of as many keys as fit.
std::string many_keys(const std::string& open, const std::string& value, const std::string& close) {
  std::string text = open;
  text.reserve(16'000'000);
  for (std::uint64_t i = 0;; ++i) {
    std::string next = i == 0 ? "\"" : ",\"";
    for (std::uint64_t n = i; n > 0; n /= 64)
      next += static_cast<char>(';' + n % 64 + (n % 64 > 32));
    next += "\":" + value;
    if (text.size() + next.size() + close.size() > 15'999'992) break;
    text += next;
  }
  text += close;
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string file(8, '\0');
  const std::uint64_t length = text.size();
  std::memcpy(file.data(), &length, 8);
  return file + text;
}

}  // namespace

TEST_CASE("a header of many keys takes no more than a few times its size") {
  const scratch::folder folder;
  const std::string path = folder / "file";
  const bool metadata = GENERATE(true, false);
  const bool required = GENERATE(true, false);
  CAPTURE(metadata, required);
  scratch::write(
      path, metadata ? many_keys("{\"__metadata__\":{", "\"\"", "}}")
                     : many_keys("{", R"({"dtype":"U8","shape":[0],"data_offsets":[0,0]})", "}"));
  heap::reset_most();
  const long long before = heap::bytes;
  const std::string said = scratch::complaint<format_error>(
      [&] { (void)load_safetensors(path, {.require_checksums = required}); });
  CHECK(scratch::contains(said, required ? "has no checksums" : "131072 keys"));
  CHECK(heap::most_bytes - before < (required ? 20'000'000 : 64'000'000));
}
