// Files that are compiled with chainrule::compiled and without it, in one program.
#include <cstdint>
#include <cstdio>

std::uint32_t train_header_only();
std::uint32_t train_compiled();
std::uint32_t train_wide();  // with flags for AVX2, of which the library has nothing

int main() {
  const std::uint32_t expected = train_header_only(), got = train_compiled();
  std::printf("header-only %08x, compiled %08x\n", static_cast<unsigned>(expected),
              static_cast<unsigned>(got));
#ifdef CHAINRULE_TEST_WIDE
  std::printf("with flags for AVX2 %08x\n", static_cast<unsigned>(train_wide()));
#endif
  return got == expected ? 0 : 1;
}
