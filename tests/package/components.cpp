// What the optional components bring along.
#ifdef EXPECT_ZLIB
#ifndef CHAINRULE_WITH_ZLIB
#error "chainrule::zlib must define CHAINRULE_WITH_ZLIB"
#endif
#include <zlib.h>
#endif
#ifdef EXPECT_SAFETENSORS
#include <nlohmann/json.hpp>
#endif

#include "chainrule/version.hpp"

int main() {
#ifdef EXPECT_ZLIB
  if (zlibVersion() == nullptr) return 1;
#endif
}
