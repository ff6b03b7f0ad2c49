// Learns to read handwritten digits. What the library does for it is in model.cpp (the network and
// how it is trained) and run.cpp; `mnist --help` lists what can be changed.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <type_traits>

#include "../support/synthetic_digits.hpp"
#ifdef MNIST_WITH_MPI
#include "chainrule/train/mpi.hpp"
#endif
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

/// The backend for this rank; `be` unless ranks on the same machine share its processors or
/// devices.
template <class B>
B backend_of(const B& be, [[maybe_unused]] const options& o) {
#ifdef MNIST_WITH_MPI
  const bool is_chosen = o.backend.find(':') != std::string::npos;  // a device
  if (o.ranks && !is_chosen) return backend_of_rank<B>();
#endif
  return be;
}

/// Runs on the backend that was asked for; returns the exit status. `c` connects ranks, if any,
/// of which the first prints.
int choose_backend_and_run(const options& o, communicator* c, bool is_first) {
  bool interrupted = false;
  const auto go = [&]<class B>(const B& be, const selection& chosen) {
    if (o.backend == "auto" && is_first) std::printf("%s\n", chosen.note.c_str());
    if constexpr (std::is_same_v<B, cpu>)
      interrupted = run(o.threads ? cpu{*o.threads} : backend_of(be, o), o, read_data(o), c);
    else
      interrupted = run(backend_of(be, o), o, read_data(o), c);
  };
  call_with_backend(o.backend, go);
  return interrupted ? 130 : 0;
}

/// One of the processes that mpirun started.
#ifdef MNIST_WITH_MPI
int run_as_rank(int argc, char** argv, const options& o) {
  // An exception ends all ranks there, with its message.
  return run_ranks(argc, argv,
                   [&](communicator& c) { return choose_backend_and_run(o, &c, c.rank() == 0); },
                   {.patience = o.patience});
}
#else
int run_as_rank(int, char**, const options&) {
  throw value_error(
      "--ranks needs MPI, which was not found when this program was built; install it (Debian, "
      "Ubuntu: libopenmpi-dev) and build again");
}
#endif

int main(int argc, char** argv) {
  try {
    const options o = read_options(argc, argv);
    return o.ranks ? run_as_rank(argc, argv, o) : choose_backend_and_run(o, nullptr, true);
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
