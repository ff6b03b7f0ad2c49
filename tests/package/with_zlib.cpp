// What the component zlib brings along.
#include <zlib.h>

#include "chainrule/version.hpp"

#ifndef CHAINRULE_WITH_ZLIB
#error "chainrule::zlib must define CHAINRULE_WITH_ZLIB"
#endif

int main() { return zlibVersion() != nullptr ? 0 : 1; }
