#include "chainrule/layers/convolution.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/layers/pooling.hpp"
#include "chainrule/layers/reshape.hpp"
#include "model.hpp"

using namespace chainrule;

classifier make_lenet(const backend_in_use& be, const labelled_images& images, double p) {
  return network{be,
                 input{images.height, images.width, 1},
                 conv2d{32, 5, relu{}},
                 max_pool{2},
                 conv2d{64, 5, relu{}},
                 max_pool{2},
                 flatten{},
                 dense{128, relu{}},
                 dropout{p},
                 dense{images.classes}};
}
