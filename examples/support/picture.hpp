/// \file
/// `picture`: grey images side by side, written as SVG.
///
///     picture p(4);                                 // pixels of 4 units
///     p.add(values, 28, 28, 0, 0);                  // height x width, at row 0 and column 0
///     p.write("digits.svg");
#ifndef CHAINRULE_EXAMPLES_SUPPORT_PICTURE_HPP
#define CHAINRULE_EXAMPLES_SUPPORT_PICTURE_HPP

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <span>
#include <string>

#include "chainrule/core/error.hpp"

class picture {
 public:
  explicit picture(int pixel) : pixel_(pixel) {}

  /// Adds height x width values, `step` apart, in place (row, column) of a grid of such images. The
  /// least is black, the largest white.
  void add(std::span<const float> values, int height, int width, int row, int column,
           int step = 1) {
    float least = values[0], most = values[0];
    for (int i = 0; i < height * width; ++i) {
      least = std::min(least, at(values, i, step));
      most = std::max(most, at(values, i, step));
    }
    const float range = most > least ? most - least : 1;
    const int left = column * (width + 1) * pixel_, top = row * (height + 1) * pixel_;
    body_ += "<rect x=\"" + std::to_string(left) + "\" y=\"" + std::to_string(top) + "\" width=\"" +
             std::to_string(width * pixel_) + "\" height=\"" + std::to_string(height * pixel_) +
             "\"/>\n";
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width;) {
        const int grey = level(at(values, y * width + x, step), least, range);
        const int first = x;  // equal neighbours are one rectangle
        while (x < width && level(at(values, y * width + x, step), least, range) == grey) ++x;
        if (grey == 0) continue;
        char line[96];
        std::snprintf(line, sizeof line, "<path d=\"M%d %dh%dv%dh-%dz\" fill=\"#%02x%02x%02x\"/>\n",
                      left + first * pixel_, top + y * pixel_, (x - first) * pixel_, pixel_,
                      (x - first) * pixel_, unsigned(grey), unsigned(grey), unsigned(grey));
        body_ += line;
      }
    width_ = std::max(width_, left + width * pixel_);
    height_ = std::max(height_, top + height * pixel_);
  }

  /// Throws io_error.
  void write(const std::string& path) const {
    std::ofstream file(path);
    file << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << width_ << "\" height=\""
         << height_ << "\" shape-rendering=\"crispEdges\">\n"
         << body_ << "</svg>\n";
    if (!file.flush()) throw chainrule::io_error("cannot write " + path);
  }

 private:
  [[nodiscard]] static float at(std::span<const float> values, int i, int step) {
    return values[static_cast<std::size_t>(i * step)];
  }
  /// One of 17 levels of grey.
  [[nodiscard]] static int level(float value, float least, float range) {
    return int((value - least) / range * 16 + 0.5F) * 255 / 16;
  }

  int pixel_, width_ = 0, height_ = 0;
  std::string body_;
};

#endif  // CHAINRULE_EXAMPLES_SUPPORT_PICTURE_HPP
