// With the component mpi the header finds mpi.h, and the program its library.
#include "chainrule/train/mpi.hpp"

int main(int argc, char** argv) {
  return chainrule::run_ranks(argc, argv, [](chainrule::communicator& c) { return c.size() - 1; });
}
