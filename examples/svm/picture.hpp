/// \file
/// A picture of what a classifier of points in the plane says, as a PPM file.
#ifndef CHAINRULE_EXAMPLES_SVM_PICTURE_HPP
#define CHAINRULE_EXAMPLES_SVM_PICTURE_HPP

#include <chainrule/core/error.hpp>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

/// Draws [-4, 4] x [-4, 4]: blue where score(x, y) > 0, red elsewhere, lighter within the margins;
/// each point as a dark disc of its side's colour. Throws io_error.
inline void draw(const char* path, const auto& score, const auto& marks) {
  constexpr int size = 320;
  std::vector<unsigned char> pixels;
  for (int row = 0; row < size; ++row)
    for (int col = 0; col < size; ++col) {
      const double x = 8.0 * col / size - 4;
      const double y = 4 - 8.0 * row / size;
      const double s = score(x, y);
      bool positive = s > 0;
      int level = std::fabs(s) < 1 ? 225 : 180;
      for (const auto& p : marks)
        if (std::hypot(x - p.x, y - p.y) < 0.12) {
          positive = p.label > 0;
          level = 0;
        }
      const auto weak = static_cast<unsigned char>(level);
      const auto strong = static_cast<unsigned char>(level == 0 ? 160 : 255);
      pixels.insert(pixels.end(), {positive ? weak : strong, weak, positive ? strong : weak});
    }
  std::FILE* const file = std::fopen(path, "wb");
  const bool good = file != nullptr && std::fprintf(file, "P6\n%d %d\n255\n", size, size) > 0 &&
                    std::fwrite(pixels.data(), 1, pixels.size(), file) == pixels.size();
  if (file == nullptr || std::fclose(file) != 0 || !good)
    throw chainrule::io_error(chainrule::detail::concat("cannot write the picture ", path));
}

#endif  // CHAINRULE_EXAMPLES_SVM_PICTURE_HPP
