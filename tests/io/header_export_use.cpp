// The program of docs/export.md, which header_export_check.cmake compiles.
#include "digits.hpp"

int class_of(const float* pixels) {  // digits::inputs of them
  float logits[digits::outputs];
  digits::predict(pixels, logits);
  int best = 0;
  for (int i = 1; i < digits::outputs; ++i)
    if (logits[i] > logits[best]) best = i;
  return best;
}
