/// \file
/// Writes what the contenders learn from, in a form that every language reads at once: images/ and
/// parity/ with the four files of MNIST, not compressed.
///
///     write_data FOLDER [a folder with MNIST or a relative]
///
/// Without the second, the images are synthetic digits.

#include <sys/stat.h>

#include <cstdio>
#include <exception>
#include <span>
#include <string>

#include "../nets.hpp"

namespace {

using namespace chainrule;

void write(const std::string& folder, const std::string& half, const labelled_images& images) {
  const index_t extents[] = {images.count, images.height, images.width};
  write_idx(folder + "/" + half + "-images-idx3-ubyte", extents, images.pixels);
  write_idx(folder + "/" + half + "-labels-idx1-ubyte", std::span(extents).first(1), images.labels);
}

void write(const std::string& folder, const labelled_images& train, const labelled_images& test) {
  ::mkdir(folder.c_str(), 0777);
  write(folder, "train", train);
  write(folder, "t10k", test);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::fputs("write_data: expected a folder to write to\n", stderr);
    return 2;
  }
  const std::string to = argv[1];
  mnist_data images;
  if (argc > 2 && *argv[2] != '\0')
    images = load_mnist(argv[2]);
  else
    images = {synthetic_digits(60000, 1), synthetic_digits(10000, 2)};
  ::mkdir(to.c_str(), 0777);
  write(to + "/images", images.train, images.test);
  const labelled_images parity = parity_samples();
  write(to + "/parity", parity, parity);
} catch (const std::exception& error) {
  std::fprintf(stderr, "write_data: %s\n", error.what());
  return 1;
}
