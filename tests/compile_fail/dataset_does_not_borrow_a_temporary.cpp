// expect: use of deleted function|call to deleted constructor
#include "chainrule/backend/cpu.hpp"
#include "chainrule/train/dataset.hpp"

// The bytes are used where they lie: they would be gone at the end of the line.
void use(const chainrule::cpu& be, chainrule::labelled_images images) {
#ifdef CHAINRULE_CONTROL
  chainrule::dataset<chainrule::cpu> data(be, images);
#else
  chainrule::dataset<chainrule::cpu> data(be, static_cast<chainrule::labelled_images&&>(images));
#endif
}
