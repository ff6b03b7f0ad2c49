// The reader of images from an install prefix, with what the component images brings along.
#include "chainrule/data/image_folder.hpp"

#ifndef CHAINRULE_WITH_PNG
#error "chainrule::images must define CHAINRULE_WITH_PNG"
#endif

int main() {
  return chainrule::detail::decode_png == chainrule::detail::decode_png_with_libpng ? 0 : 1;
}
