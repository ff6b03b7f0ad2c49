// A program that uses the library from outside; it fails if the headers are of another version
// than its first argument says.
#include <cstdio>
#include <cstring>

#include "chainrule/core/philox.hpp"
#include "chainrule/core/view.hpp"
#include "chainrule/version.hpp"

int main(int count, char** arguments) {
  if (count != 2 || std::strcmp(arguments[1], CHAINRULE_VERSION) != 0) {
    std::printf("expected version %s, these are the headers of %s\n",
                count == 2 ? arguments[1] : "(none)", CHAINRULE_VERSION);
    return 1;
  }
  float data[6] = {1, 2, 3, 4, 5, 6};
  const chainrule::matrix_view<float> m{data, 2, 3};
  return m(1, 0) == 4.0F && chainrule::random_stream{7}.uniform() < 1.0 ? 0 : 1;
}
