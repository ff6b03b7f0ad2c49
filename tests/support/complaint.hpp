/// \file
/// What a call complains of, for tests of messages.
#ifndef CHAINRULE_TESTS_SUPPORT_COMPLAINT_HPP
#define CHAINRULE_TESTS_SUPPORT_COMPLAINT_HPP

#include <string>

namespace support {

/// What `call` throws as an E says; "" if it throws nothing.
template <class E, class Call>
[[nodiscard]] std::string complaint(Call&& call) {
  try {
    call();
  } catch (const E& e) {
    return e.what();
  }
  return {};
}

}  // namespace support

#endif  // CHAINRULE_TESTS_SUPPORT_COMPLAINT_HPP
