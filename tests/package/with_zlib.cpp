// The whole library from an install prefix, with what the component zlib brings along.
#include <zlib.h>

#include "chainrule/chainrule.hpp"

#ifndef CHAINRULE_WITH_ZLIB
#error "chainrule::zlib must define CHAINRULE_WITH_ZLIB"
#endif

int main() { return zlibVersion() != nullptr ? 0 : 1; }
