/// \file
/// The plan of a product on a device: the kernel (a variant) for a shape, and its work items.
///
///     const gemm_shape s{128, 512, 784, false, false};
///     const gemm_device d{.on_cpu = true, .units = 2};
///     const gemm_variant v = gemm_variant_for(s, d, sizeof(float));
///     const gemm_geometry g = gemm_geometry_for(v, s.m, s.n);
///     const std::string text = gemm_kernel<float>(v, trace_of<1>(relu{}), 0);  // gemm.hpp
///
/// On a CPU device each work item computes register tiles, without local memory and barriers, since
/// its caches serve that purpose. On a GPU the work items of a group share loads through local
/// memory. See gemm_cpu.hpp and gemm_gpu.hpp for the two texts.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_PLAN_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_PLAN_HPP

#include <cstddef>
#include <cstdint>
#include <string>

#include "chainrule/core/error.hpp"
#include "chainrule/core/shape.hpp"

namespace chainrule::device {

/// How a product for GPUs accesses its matrices: by scalars at offsets of 64 or of 32 bits, or by
/// vectors of up to 16 bytes at offsets of 32 bits.
enum class gemm_access { anywhere, near, vectors };

/// c (m x n) = op(a) (m x k) op(b) (k x n), once or in a batch of `count` products.
struct gemm_shape {
  index_t m = 0;
  index_t n = 0;
  index_t k = 0;
  bool a_transposed = false;
  bool b_transposed = false;
  index_t count = 1;
  gemm_access access = gemm_access::anywhere;
};

/// The properties of a device that the plan depends on.
struct gemm_device {
  bool on_cpu = false;
  /// Cores or multiprocessors: how many work-groups run at once.
  index_t units = 1;
  /// Of a CPU device: bytes of a vector register; 64 with AVX-512, 32 with AVX, 16 with SSE or
  /// NEON.
  index_t vector_bytes = 64;
  /// Of a GPU: the most work items that a group may have.
  index_t group_items = 256;
};

/// The dimension along a CPU's vector lanes; `group` is the text for GPUs, `channels` that of
/// depthwise convolutions.
enum class gemm_lanes { columns, rows, group, channels };

/// Everything that a kernel's text depends on besides scalar and epilogue.
struct gemm_variant {
  gemm_lanes lanes = gemm_lanes::columns;
  int rows = 1;   ///< of a tile: a work item's, or that of a group
  int cols = 1;   ///< likewise
  int width = 1;  ///< the lanes of a vector; a group has width x width work items
  int depth = 0;  ///< steps of k for which b is copied at a time; 0: b is not copied
  int tiles = 1;  ///< of a work item, one below the other
  bool a_transposed = false;
  bool b_transposed = false;
  bool is_batch = false;
  gemm_access access = gemm_access::anywhere;
  bool sums = false;  ///< also adds the rows of b

  friend bool operator==(const gemm_variant&, const gemm_variant&) = default;

  /// A unique number of the variant, for keys of kernels.
  [[nodiscard]] constexpr std::uint64_t number() const {
    std::uint64_t all = static_cast<std::uint64_t>(lanes);
    for (const int field : {rows, cols, width, depth, tiles})
      all = all << 10 | static_cast<std::uint64_t>(field);  // each is below 1024
    return all << 6 | static_cast<std::uint64_t>(access) << 4 | std::uint64_t{sums} << 3 |
           std::uint64_t{is_batch} << 2 | std::uint64_t{a_transposed} << 1 |
           std::uint64_t{b_transposed};
  }
  /// A readable name of the variant, the same in every run.
  [[nodiscard]] std::string key() const {
    const char* const names[] = {"columns", "rows", "group", "channels"};
    const char* const accesses[] = {"", " near", " vectors"};
    return detail::concat(names[static_cast<int>(lanes)], ' ', rows, 'x', cols, " by ", width,
                          " depth ", depth, " tiles ", tiles, a_transposed ? " a'" : " a",
                          b_transposed ? " b'" : " b", accesses[static_cast<int>(access)],
                          is_batch ? " batch" : "", sums ? " sums" : "");
  }
};

/// The work items of a launch and those of a group.
struct gemm_geometry {
  std::size_t width = 1;
  std::size_t height = 1;
  std::size_t local_width = 1;
  std::size_t local_height = 1;
};

namespace gemm_detail {

[[nodiscard]] constexpr index_t pieces(index_t whole, index_t size) {
  return (whole + size - 1) / size;
}

/// The size of about equal pieces of `whole`, at most `most` each; even above 4, to limit the
/// number of kernels, and never larger than the whole.
[[nodiscard]] constexpr index_t fitted(index_t whole, index_t most) {
  const index_t equal = pieces(whole, pieces(whole, most));
  if (equal <= 4 || equal % 2 == 0) return equal;
  return equal + 1 <= whole && equal + 1 <= most ? equal + 1 : equal - 1;
}

/// The lanes of a CPU's vectors; those of OpenCL C have 2, 4, 8 or 16 elements.
[[nodiscard]] constexpr index_t lanes_of(const gemm_device& device, index_t scalar_size) {
  index_t known = 2;
  while (known < 16 && known < device.vector_bytes / scalar_size) known *= 2;
  return known;
}

[[nodiscard]] constexpr gemm_variant cpu_variant(const gemm_shape& s, const gemm_device& device,
                                                 index_t lanes, index_t scalar_size) {
  // Of 32 registers (AVX-512), 24 hold sums, two a step's vectors of b, the rest numbers of a on
  // their way: 12 x 2 vectors. Of 16 registers, 6 x 2. With one vector a column, so many sums as
  // hide the latency of a multiplication (4 cycles, two units) and the loads of a: 16, or 12.
  const bool many_registers = device.vector_bytes >= 64;
  const index_t most_of_two = many_registers ? 12 : 6;
  const index_t most_of_one = many_registers ? 16 : 12;
  const auto vectors_along = [&](index_t extent) {
    return extent >= 4 * lanes || extent % (2 * lanes) == 0 ? index_t{2} : index_t{1};
  };
  gemm_variant v;
  v.a_transposed = s.a_transposed;
  v.b_transposed = s.b_transposed;
  v.width = static_cast<int>(lanes);
  // In a transposed a, neighbouring rows are contiguous. They become lanes where columns of b are
  // not contiguous, or where there are fewer of them.
  if (s.a_transposed && (s.b_transposed || (s.n < lanes && s.n < s.m))) {
    v.lanes = gemm_lanes::rows;
    const index_t vectors = vectors_along(s.m);
    v.rows = static_cast<int>(s.m < lanes ? s.m : vectors * lanes);
    v.cols = static_cast<int>(fitted(s.n, vectors == 2 ? most_of_two : most_of_one));
    return v;
  }
  const index_t vectors = vectors_along(s.n);
  const index_t cols = s.n < lanes ? s.n : vectors * lanes;
  const index_t rows = fitted(s.m, vectors == 2 ? most_of_two : most_of_one);
  v.cols = static_cast<int>(cols);
  v.rows = static_cast<int>(rows);
  // A contiguous copy of a strip of b serves all tiles of a work item. It is necessary where b is
  // transposed, since its columns are not contiguous then. Elsewhere it pays where the steps of k
  // access more pages than the TLB holds: beyond 1 MiB of b, or half of that for both factors where
  // a takes a page per step as well. (Without the copy such products ran at 0.4 to 0.9 of the
  // speed, smaller ones at 1 to 1.1.)
  const index_t down = pieces(s.m, rows);
  const index_t bytes_of_b = s.k * s.n * scalar_size;
  const bool is_wide =
      s.a_transposed ? s.k * s.m * scalar_size + bytes_of_b > (1 << 19) : bytes_of_b > (1 << 20);
  if (!s.b_transposed && !(is_wide && down >= 4)) return v;
  // 256 steps at a time: two vectors wide they fill two thirds of a first-level cache of 48 KiB.
  // With a transposed, 64: the TLB still holds their pages when the next tile reads them.
  v.depth = s.a_transposed ? 64 : 256;
  // As many tiles as leave four work items to each core, in equal blocks; more than 24 gain nothing
  // any more. A block may have fewer than its kernel has, so that there are few kernels.
  constexpr index_t most_tiles = 24;
  const index_t shared = s.count * down * pieces(s.n, cols) / (4 * device.units);
  const index_t tiles = shared < 1 ? 1 : (shared < most_tiles ? shared : most_tiles);
  const index_t equal = pieces(down, pieces(down, tiles));
  v.tiles = 1;
  while (v.tiles < equal) v.tiles = v.tiles < 16 ? 2 * v.tiles : static_cast<int>(most_tiles);
  return v;
}

/// The elements of a GPU's vectors, of 16 bytes.
[[nodiscard]] constexpr int gpu_vector(std::size_t scalar_size) {
  return static_cast<int>(16 / scalar_size);
}

/// The fewest steps of k of a part of a product that is cut along k: the launch that adds the parts
/// takes longer than a cut into shorter ones saves (estimated, not measured).
inline constexpr index_t least_part = 256;

/// The variant for a product that may be cut into `parts` along k.
[[nodiscard]] constexpr gemm_variant gpu_variant(const gemm_shape& s, const gemm_device& device,
                                                 std::size_t scalar_size, index_t parts = 1) {
  struct tile {
    index_t rows, cols;
    int depth;
  };
  // The largest tile with which half of the units have work, from 8 x 8 elements per work item down
  // to one: a tile twice as large in each dimension does twice as much arithmetic per load from
  // local memory. With 256 work items and the depths of the first three tiles, each item loads one
  // vector of 16 bytes of each factor between two barriers; doubles have half of the depth. Sums of
  // 8 x 8 doubles do not fit into registers.
  constexpr tile tiles[] = {{8, 8, 8}, {4, 4, 16}, {2, 2, 32}, {4, 1, 32}, {1, 4, 32}, {1, 1, 32}};
  gemm_variant v;
  v.lanes = gemm_lanes::group;
  v.a_transposed = s.a_transposed;
  v.b_transposed = s.b_transposed;
  v.access = s.access;
  v.width = device.group_items >= 256 ? 16 : (device.group_items >= 64 ? 8 : 4);
  for (const tile& t : tiles) {
    if (t.rows == 8 && scalar_size > 4) continue;
    const index_t rows = t.rows * v.width;
    const index_t cols = t.cols * v.width;
    v.rows = static_cast<int>(rows);
    v.cols = static_cast<int>(cols);
    v.depth = scalar_size > 4 ? t.depth / 2 : t.depth;
    const bool is_filled = rows < 2 * s.m && cols < 2 * s.n;  // at least half of a tile, each way
    const index_t groups = s.count * parts * pieces(s.m, rows) * pieces(s.n, cols);
    if (is_filled && groups * 2 >= device.units) break;
  }
  return v;
}

}  // namespace gemm_detail

/// Whether a product takes about as long as a launch, so that the kernel of this library, which
/// needs no second one for an epilogue, is preferred to a vendor's. The steps of k are sequential,
/// about 16 a microsecond; 2^23 multiplications are some microseconds of a GPU. An estimate.
[[nodiscard]] constexpr bool is_small(const gemm_shape& s) {
  return s.k <= 256 && s.m * s.n <= (index_t{1} << 23) / (s.k < 1 ? 1 : s.k);
}

/// The kernel for a product that is not empty (m, n > 0).
[[nodiscard]] constexpr gemm_variant gemm_variant_for(const gemm_shape& s,
                                                      const gemm_device& device,
                                                      std::size_t scalar_size) {
  if (!device.on_cpu)
    return gemm_detail::gpu_variant(
        s, device, scalar_size, s.k < gemm_detail::least_part ? 1 : s.k / gemm_detail::least_part);
  const auto size = static_cast<index_t>(scalar_size);
  return gemm_detail::cpu_variant(s, device, gemm_detail::lanes_of(device, size), size);
}
/// The kernel for products that are not cut along k: for batches and for those that also add the
/// rows of b, of which the caller sets `is_batch` or `sums`.
[[nodiscard]] constexpr gemm_variant uncut_gemm_variant_for(const gemm_shape& s,
                                                            const gemm_device& device,
                                                            std::size_t scalar_size) {
  return device.on_cpu ? gemm_variant_for(s, device, scalar_size)
                       : gemm_detail::gpu_variant(s, device, scalar_size);
}
/// The steps of k of each part of a product: s.k if it is not cut. A GPU cuts those that have fewer
/// tiles than it has units; the parts are whole tiles deep.
[[nodiscard]] constexpr index_t gemm_part_for(const gemm_variant& v, const gemm_shape& s,
                                              const gemm_device& device) {
  if (v.lanes != gemm_lanes::group) return s.k;
  const index_t tiles = gemm_detail::pieces(s.m, v.rows) * gemm_detail::pieces(s.n, v.cols);
  const index_t idle = device.units / tiles;
  const index_t most = s.k / gemm_detail::least_part;
  const index_t parts = idle < most ? idle : most;
  if (parts < 2) return s.k;
  return gemm_detail::pieces(gemm_detail::pieces(s.k, parts), v.depth) * v.depth;
}

/// The launch of a variant's kernel for c of m x n; a batch has its height times the number of
/// products.
[[nodiscard]] constexpr gemm_geometry gemm_geometry_for(const gemm_variant& v, index_t m,
                                                        index_t n) {
  const auto down = static_cast<std::size_t>(gemm_detail::pieces(m, index_t{v.rows} * v.tiles));
  const auto across = static_cast<std::size_t>(gemm_detail::pieces(n, v.cols));
  if (v.lanes != gemm_lanes::group) return {down, across, 1, 1};
  const auto items = static_cast<std::size_t>(v.width);
  return {across * items, down * items, items, items};
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_PLAN_HPP
