// The plan of a device's product: launches that cover the result, tiles that fit into it, keys and
// texts that tell variants apart. What the kernels compute is tested where there is a device.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "chainrule/backend/device/kernels/gemm.hpp"
#include "chainrule/pointwise/functions.hpp"
#include "support/catch.hpp"

namespace gemm_plan_test {

using namespace chainrule;
using namespace chainrule::device;

namespace {

std::vector<gemm_device> devices() {
  return {{.on_cpu = true, .units = 1, .vector_bytes = 16},
          {.on_cpu = true, .units = 2, .vector_bytes = 32},
          {.on_cpu = true, .units = 2, .vector_bytes = 64},
          {.on_cpu = true, .units = 64, .vector_bytes = 64},
          {.on_cpu = false, .units = 1, .group_items = 256},
          {.on_cpu = false, .units = 132, .group_items = 256},
          {.on_cpu = false, .units = 8, .group_items = 64},
          {.on_cpu = false, .units = 2, .group_items = 16}};
}

/// Calls use(shape, device, scalar size, variant) for many shapes.
template <class Use>
void for_plans(Use&& use) {
  const index_t extents[] = {1, 2, 5, 10, 15, 16, 17, 31, 33, 64, 100, 512, 784, 1025};
  for (const gemm_device& device : devices())
    for (const index_t m : extents)
      for (const index_t n : extents)
        for (const index_t k : {0, 10, 784})
          for (const bool a : {false, true})
            for (const bool b : {false, true})
              for (const std::size_t size : {sizeof(float), sizeof(double)}) {
                const gemm_access access = k == 0    ? gemm_access::anywhere
                                           : k == 10 ? gemm_access::near
                                                     : gemm_access::vectors;
                const gemm_shape s{m, n, k, a, b, 1, access};
                use(s, device, size, gemm_variant_for(s, device, size));
              }
}

std::string text_of(const gemm_variant& v) {
  return gemm_kernel<float>(v, trace_of<1>(fn::identity{}), 0);
}

}  // namespace

TEST_CASE("the tiles of a product cover the result and none is without work", "[backend][gemm]") {
  index_t wrong = 0;
  for_plans([&](const gemm_shape& s, const gemm_device&, std::size_t, const gemm_variant& v) {
    const gemm_geometry g = gemm_geometry_for(v, s.m, s.n);
    const bool is_group = v.lanes == gemm_lanes::group;
    // On a CPU device the first dimension counts down the rows, on a GPU across the columns.
    const auto first = static_cast<index_t>(g.width / g.local_width);
    const auto second = static_cast<index_t>(g.height / g.local_height);
    const index_t down = is_group ? second : first;
    const index_t across = is_group ? first : second;
    const index_t rows = index_t{v.rows} * v.tiles;
    const bool covers = down * rows >= s.m && across * v.cols >= s.n;
    const bool has_work = (down - 1) * rows < s.m && (across - 1) * v.cols < s.n;
    if (!covers || !has_work || g.width % g.local_width != 0 || g.height % g.local_height != 0) {
      UNSCOPED_INFO(s.m << "x" << s.n << ": " << v.key());
      ++wrong;
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("a tile of a CPU device lies within the result and its sums in registers",
          "[backend][gemm]") {
  index_t wrong = 0;
  for_plans(
      [&](const gemm_shape& s, const gemm_device& device, std::size_t size, const gemm_variant& v) {
        if (!device.on_cpu) return;
        const bool by_rows = v.lanes == gemm_lanes::rows;
        const index_t vectors = ((by_rows ? v.rows : v.cols) + v.width - 1) / v.width;
        const index_t sums = (by_rows ? v.cols : v.rows) * vectors;
        const index_t registers = device.vector_bytes == 64 ? 32 : 16;
        const bool fits = v.rows <= s.m && v.cols <= s.n && sums + vectors < registers;
        const bool is_vector =
            v.width * static_cast<index_t>(size) <= device.vector_bytes || v.width == 2;
        if (!fits || !is_vector) {
          UNSCOPED_INFO(s.m << "x" << s.n << ": " << v.key());
          ++wrong;
        }
      });
  CHECK(wrong == 0);
}

TEST_CASE("a group of a GPU is not larger than the device allows and divides its tile",
          "[backend][gemm]") {
  index_t wrong = 0;
  for_plans([&](const gemm_shape&, const gemm_device& device, std::size_t size,
                const gemm_variant& v) {
    if (device.on_cpu) return;
    const index_t items = index_t{v.width} * v.width;
    // Two tiles of each factor in local memory, whose lines are padded by 16 bytes.
    const index_t bytes = 2 * v.depth * ((v.rows + v.cols) * static_cast<index_t>(size) + 2 * 16);
    if (items > device.group_items || v.rows % v.width != 0 || v.cols % v.width != 0 ||
        v.rows * v.depth % items != 0 || v.cols * v.depth % items != 0 || bytes > 32 * 1024) {
      UNSCOPED_INFO(v.key());
      ++wrong;
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("variants have the same key and number if and only if they have the same text",
          "[backend][gemm]") {
  std::map<std::string, gemm_variant> by_key;
  for_plans([&](const gemm_shape&, const gemm_device&, std::size_t, const gemm_variant& v) {
    const auto [place, is_new] = by_key.emplace(v.key(), v);
    if (!is_new && !(place->second == v)) FAIL_CHECK("two variants share the key " << v.key());
  });
  std::map<std::uint64_t, std::string> by_number;
  for (const auto& [key, v] : by_key) {
    const auto [place, is_new] = by_number.emplace(v.number(), key);
    if (!is_new) FAIL_CHECK(key << " and " << place->second << " have the same number");
  }
  std::map<std::string, std::string> by_text;
  for (const auto& [key, v] : by_key) {
    const auto [place, is_new] = by_text.emplace(text_of(v), key);
    if (!is_new) FAIL_CHECK(key << " and " << place->second << " have the same text");
  }
  CHECK(by_text.size() > 100);
}

TEST_CASE("a batch has kernels of its own and counts all its products as work", "[backend][gemm]") {
  const gemm_device gpu{.on_cpu = false, .units = 132, .group_items = 256};
  const gemm_shape one{128, 128, 64, false, false};
  gemm_shape many = one;
  many.count = 96;
  gemm_variant v = uncut_gemm_variant_for(many, gpu, sizeof(float));
  v.is_batch = true;
  CHECK(v.rows == 128);  // large tiles, for there are many
  CHECK(gemm_variant_for(one, gpu, sizeof(float)).rows < 128);
  gemm_variant single = v;
  single.is_batch = false;
  CHECK(single.number() != v.number());
  CHECK(single.key() + " batch" == v.key());
  CHECK(text_of(single) != text_of(v));
}

TEST_CASE("a GPU cuts a product along k where it has too few tiles", "[backend][gemm]") {
  const gemm_device gpu{.on_cpu = false, .units = 132, .group_items = 256};
  const auto part_of = [](const gemm_shape& s, const gemm_device& device) {
    return gemm_part_for(gemm_variant_for(s, device, sizeof(float)), s, device);
  };
  // 32 tiles of 16 x 16: three parts of 9 tiles of 32 steps, the last one of 208 steps.
  CHECK(part_of({256, 32, 784}, gpu) == 288);
  CHECK(part_of({256, 32, 511}, gpu) == 511);       // too short for two parts
  CHECK(part_of({4096, 4096, 4096}, gpu) == 4096);  // the tiles are enough
  CHECK(part_of({256, 32, 784}, {.on_cpu = true, .units = 132}) == 784);
  // Large tiles of a small product, because its parts keep all units busy.
  CHECK(gemm_variant_for({256, 256, 8192}, gpu, sizeof(float)).rows == 128);
  CHECK(gemm_variant_for({256, 256, 256}, gpu, sizeof(float)).rows == 16);
  index_t wrong = 0;
  for_plans([&](gemm_shape s, const gemm_device& device, std::size_t, const gemm_variant& v) {
    s.k = 3001;
    const index_t part = gemm_part_for(v, s, device);
    const index_t parts = (s.k + part - 1) / part;
    const gemm_geometry g = gemm_geometry_for(v, s.m, s.n);
    const auto groups = static_cast<index_t>(g.width * g.height / (g.local_width * g.local_height));
    const bool is_cut = part < s.k;
    if (is_cut && (device.on_cpu || part % v.depth != 0 || groups * parts > device.units)) ++wrong;
  });
  CHECK(wrong == 0);
}

TEST_CASE("the products of a network keep every lane and every core busy", "[backend][gemm]") {
  const gemm_device device{.on_cpu = true, .units = 2, .vector_bytes = 64};
  const auto plan = [&](index_t m, index_t n, index_t k, bool a, bool b) {
    return gemm_variant_for({m, n, k, a, b}, device, sizeof(float));
  };
  // Ten outputs: forward in ten lanes of one vector; the weights' gradient has rows in its lanes.
  CHECK(plan(128, 10, 512, false, false).key() == "columns 16x10 by 16 depth 0 tiles 1 a b");
  CHECK(plan(512, 10, 128, true, false).key() == "rows 32x10 by 16 depth 0 tiles 1 a' b");
  // Wide layers: two vectors times twelve numbers; a large b is copied for all rows of c.
  CHECK(plan(128, 512, 512, false, false).key() == "columns 12x32 by 16 depth 0 tiles 1 a b");
  CHECK(plan(128, 512, 784, false, false).key() == "columns 12x32 by 16 depth 256 tiles 16 a b");
  CHECK(plan(784, 512, 128, true, false).key() == "columns 12x32 by 16 depth 64 tiles 24 a' b");
  // So is a transposed one. All 128 rows are one block, and the 16 strips of columns keep two cores
  // busy.
  const gemm_variant inputs = plan(128, 512, 512, false, true);
  CHECK(inputs.key() == "columns 12x32 by 16 depth 256 tiles 16 a b'");
  const gemm_geometry g = gemm_geometry_for(inputs, 128, 512);
  CHECK(g.width == 1);
  CHECK(g.height == 16);
}

}  // namespace gemm_plan_test
