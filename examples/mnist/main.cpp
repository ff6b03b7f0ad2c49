// Learns to read handwritten digits. What the library does for it is in model.cpp (the network and
// how it is trained) and run.cpp; `mnist --help` lists what can be changed.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>
#include <type_traits>

#include "../support/synthetic_digits.hpp"
#include "class_names.hpp"
#include "options.hpp"
#include "run.hpp"

using namespace chainrule;

/// The images in the folder that was named, else digits that are drawn here.
mnist_data read_data(const options& o) {
  if (o.data.empty())
    return {synthetic_digits(o.quick ? 2000 : 20000, 1), synthetic_digits(o.quick ? 500 : 5000, 2)};
  const bool fashion = o.data.find("fashion") != std::string::npos;
  mnist_data data = load_mnist(o.data, fashion ? fashion_mnist : "the data set");
  if (o.quick)
    data = {data.train.first(std::min<index_t>(2000, data.train.count)),
            data.test.first(std::min<index_t>(500, data.test.count))};
  return data;
}

/// Runs on the backend that was asked for; returns the exit status.
int choose_backend_and_run(const options& o) {
  bool interrupted = false;
  const auto go = [&](const auto& be, const selection& chosen) {
    if (o.backend == "auto") std::printf("%s\n", chosen.note.c_str());
    if constexpr (std::is_same_v<decltype(be), const cpu&>)
      interrupted = run(o.threads ? cpu{*o.threads} : be, o, read_data(o));
    else
      interrupted = run(be, o, read_data(o));
  };
  call_with_backend(o.backend, go);
  return interrupted ? 130 : 0;
}

int main(int argc, char** argv) {
  try {
    return choose_backend_and_run(read_options(argc, argv));
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "mnist: there is not enough memory for this data and this network\n");
    return 1;
  } catch (const value_error& e) {  // a value of the command line
    std::fprintf(stderr, "mnist: %s\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "mnist: %s\n", e.what());
    return 1;
  }
}
