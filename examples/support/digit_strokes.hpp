/// \file
/// How the ten digits are written: the pen's path for three hands each.
///
///     const synthetic::digit_path& seven = synthetic::digit_paths[7][1];  // the one with a bar
///
/// See also synthetic_digits.hpp, which draws them.
#ifndef CHAINRULE_EXAMPLES_SUPPORT_DIGIT_STROKES_HPP
#define CHAINRULE_EXAMPLES_SUPPORT_DIGIT_STROKES_HPP

#include <array>
#include <cstddef>
#include <cstdint>

namespace synthetic {

/// A point of a digit that is 100 high and about 60 wide, around x = 50; y points down.
struct pen_point {
  std::int8_t x = 0;
  std::int8_t y = 0;
  friend constexpr bool operator==(const pen_point&, const pen_point&) = default;
};

/// The pen leaves the paper.
inline constexpr pen_point pen_up{-1, -1};

/// Points that a smooth curve passes through; one that is given twice is a corner.
struct digit_path {
  std::uint8_t size = 0;
  std::array<pen_point, 18> points{};
};

template <std::size_t Size>
[[nodiscard]] constexpr digit_path path_through(const pen_point (&points)[Size]) {
  digit_path path{static_cast<std::uint8_t>(Size), {}};
  for (std::size_t i = 0; i < Size; ++i) path.points[i] = points[i];
  return path;
}

/// By digit and hand.
inline constexpr std::array<std::array<digit_path, 3>, 10> digit_paths{{
    {path_through(
         {{50, 0}, {30, 12}, {22, 48}, {28, 86}, {48, 100}, {70, 88}, {78, 50}, {70, 12}, {50, 0}}),
     path_through({{60, 6},
                   {40, 2},
                   {24, 26},
                   {22, 65},
                   {40, 98},
                   {62, 94},
                   {78, 60},
                   {74, 22},
                   {54, 2},
                   {42, 10}}),
     path_through({{44, 4}, {26, 30}, {26, 74}, {46, 100}, {70, 80}, {74, 34}, {58, 4}, {40, 2}})},
    {path_through({{52, 0}, {51, 50}, {50, 100}}),
     path_through({{34, 22}, {54, 0}, {54, 0}, {53, 50}, {52, 100}}),
     path_through({{36, 18}, {52, 0}, {52, 0}, {51, 50}, {50, 100}, pen_up, {30, 100}, {72, 99}})},
    {path_through({{24, 24},
                   {34, 5},
                   {56, 0},
                   {74, 14},
                   {70, 38},
                   {46, 70},
                   {22, 98},
                   {22, 98},
                   {50, 97},
                   {80, 98}}),
     path_through({{24, 18},
                   {46, 0},
                   {70, 10},
                   {71, 36},
                   {50, 72},
                   {32, 94},
                   {20, 90},
                   {30, 78},
                   {54, 90},
                   {82, 96}}),
     path_through({{28, 8},
                   {54, 0},
                   {74, 20},
                   {62, 50},
                   {36, 80},
                   {24, 94},
                   {24, 94},
                   {52, 90},
                   {78, 100}})},
    {path_through({{24, 12},
                   {46, 0},
                   {70, 10},
                   {68, 34},
                   {44, 46},
                   {44, 46},
                   {72, 56},
                   {78, 80},
                   {54, 100},
                   {22, 88}}),
     path_through(
         {{24, 2}, {72, 2}, {72, 2}, {46, 40}, {46, 40}, {72, 50}, {78, 78}, {54, 100}, {22, 90}}),
     path_through({{26, 8},
                   {52, 0},
                   {72, 16},
                   {62, 38},
                   {42, 48},
                   {66, 54},
                   {78, 76},
                   {60, 98},
                   {36, 98},
                   {22, 86}})},
    {path_through({{30, 2}, {22, 52}, {22, 52}, {80, 54}, pen_up, {66, 20}, {64, 60}, {62, 100}}),
     path_through({{82, 66}, {18, 64}, {18, 64}, {60, 0}, {60, 0}, {60, 50}, {60, 100}}),
     path_through({{28, 4}, {24, 34}, {34, 52}, {70, 46}, pen_up, {74, 0}, {71, 50}, {68, 100}})},
    {path_through({{76, 2},
                   {34, 2},
                   {34, 2},
                   {28, 44},
                   {28, 44},
                   {54, 36},
                   {78, 58},
                   {70, 90},
                   {44, 100},
                   {20, 90}}),
     path_through({{36, 4},
                   {32, 44},
                   {32, 44},
                   {58, 38},
                   {76, 62},
                   {62, 94},
                   {24, 96},
                   pen_up,
                   {36, 4},
                   {80, 0}}),
     path_through({{78, 0}, {42, 6}, {42, 6}, {34, 40}, {58, 50}, {70, 72}, {54, 98}, {22, 92}})},
    {path_through({{68, 4},
                   {40, 24},
                   {24, 60},
                   {32, 94},
                   {56, 100},
                   {76, 80},
                   {66, 58},
                   {44, 56},
                   {28, 74}}),
     path_through({{58, 0}, {34, 34}, {24, 74}, {42, 100}, {68, 94}, {72, 68}, {50, 58}, {28, 74}}),
     path_through(
         {{44, 0}, {32, 40}, {28, 82}, {48, 100}, {70, 88}, {66, 66}, {46, 66}, {32, 84}})},
    {path_through({{20, 4}, {78, 4}, {78, 4}, {54, 50}, {42, 100}}),
     path_through({{22, 4}, {78, 2}, {78, 2}, {58, 48}, {44, 100}, pen_up, {36, 50}, {76, 48}}),
     path_through({{20, 18}, {22, 4}, {22, 4}, {80, 6}, {80, 6}, {64, 48}, {50, 100}})},
    {path_through({{68, 14},
                   {48, 0},
                   {28, 14},
                   {36, 38},
                   {62, 56},
                   {76, 80},
                   {52, 100},
                   {26, 82},
                   {36, 58},
                   {62, 38},
                   {70, 14}}),
     path_through({{50, 0},
                   {31, 10},
                   {30, 34},
                   {50, 46},
                   {70, 34},
                   {69, 10},
                   {50, 0},
                   pen_up,
                   {50, 46},
                   {25, 62},
                   {26, 90},
                   {50, 100},
                   {75, 90},
                   {76, 62},
                   {50, 46}}),
     path_through({{72, 6},
                   {46, 2},
                   {32, 18},
                   {46, 40},
                   {66, 62},
                   {66, 90},
                   {46, 100},
                   {30, 84},
                   {42, 58},
                   {66, 32},
                   {74, 8}})},
    {path_through({{74, 22},
                   {56, 0},
                   {30, 8},
                   {24, 34},
                   {42, 50},
                   {66, 40},
                   {74, 20},
                   {74, 20},
                   {69, 60},
                   {60, 100}}),
     path_through({{74, 16},
                   {50, 0},
                   {26, 18},
                   {32, 46},
                   {58, 46},
                   {74, 18},
                   {74, 18},
                   {74, 64},
                   {60, 96},
                   {30, 92}}),
     path_through({{66, 12}, {42, 4}, {28, 26}, {44, 46}, {66, 32}, {68, 8}, {66, 50}, {64, 100}})},
}};

}  // namespace synthetic

#endif  // CHAINRULE_EXAMPLES_SUPPORT_DIGIT_STROKES_HPP
