// The source of chainrule::compiled: what chainrule/compiled.hpp lists, compiled once.
#define CHAINRULE_COMPILED_SOURCE
#include <chainrule/compiled.hpp>
