/// \file
/// The text of `random`: uniform numbers from Philox, the same bits as on the CPU.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_RANDOM_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_RANDOM_HPP

#include "chainrule/backend/device/kernels/common.hpp"

namespace chainrule::device {

/// Philox 4x32-10: a work item per block of random bits (core/philox.hpp). With `counted`, a number
/// in memory is added to the stream's.
template <std::floating_point T>
[[nodiscard]] std::string random_kernel(bool counted) {
  constexpr bool single = sizeof(T) == sizeof(float);
  const std::string per_block = single ? "4" : "2";
  return std::string(
             R"(KERNEL cr_main(long rows, long cols, GLOBAL real* out, long out_at, long out_row,
            long seed, long stream, long first)") +
         (counted ? ", GLOBAL const int* later, long later_at) {\n  stream += later[later_at];\n"
                  : ") {\n") +
         "  const long block = first / " + per_block + R"( + INDEX(0);
  uint c0 = (uint)block;
  uint c1 = (uint)(block >> 32);
  uint c2 = (uint)stream;
  uint c3 = (uint)((ulong)stream >> 32);
  uint k0 = (uint)seed;
  uint k1 = (uint)((ulong)seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint h0 = MULTIPLY_HIGH(0xD2511F53u, c0);
    const uint l0 = 0xD2511F53u * c0;
    const uint h1 = MULTIPLY_HIGH(0xCD9E8D57u, c2);
    const uint l1 = 0xCD9E8D57u * c2;
    c0 = h1 ^ c1 ^ k0;
    c1 = l1;
    c2 = h0 ^ c3 ^ k1;
    c3 = l0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
)" +
         std::string(single ? R"(  real values[4];
  values[0] = (real)(c0 >> 8) * 0x1p-24f;
  values[1] = (real)(c1 >> 8) * 0x1p-24f;
  values[2] = (real)(c2 >> 8) * 0x1p-24f;
  values[3] = (real)(c3 >> 8) * 0x1p-24f;
)"
                            : R"(  real values[2];
  values[0] = ((real)(c0 >> 5) * 67108864.0 + (real)(c1 >> 6)) * 0x1p-53;
  values[1] = ((real)(c2 >> 5) * 67108864.0 + (real)(c3 >> 6)) * 0x1p-53;
)") + "  for (int k = 0; k < " +
         per_block + "; ++k) {\n    const long e = block * " + per_block +
         R"( + k - first;
    if (e >= 0 && e < rows * cols) out[out_at + e / cols * out_row + e % cols] = values[k];
  }
}
)";
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_RANDOM_HPP
