/// \file
/// The kernels' texts that the library and its tests ask for, as the CUDA backend would compile
/// them: everything is asked of a backend over a table without a GPU, which keeps the texts.
#ifndef CHAINRULE_TESTS_CUDA_TRACED_TEXTS_HPP
#define CHAINRULE_TESTS_CUDA_TRACED_TEXTS_HPP

#include <string>
#include <vector>

namespace support {

/// The texts without their prelude, each once, for float (4) or double (8).
template <class T>
[[nodiscard]] std::vector<std::string> traced_texts();

extern template std::vector<std::string> traced_texts<float>();
extern template std::vector<std::string> traced_texts<double>();

}  // namespace support

#endif  // CHAINRULE_TESTS_CUDA_TRACED_TEXTS_HPP
