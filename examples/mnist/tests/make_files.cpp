// Makes the files that the tests of the example need:
//
//   make_files digits FOLDER      a small data set: 300 training and 100 test images
//   make_files bomb FILE N MIB    a gzip file of N images (28x28), and MIB MiB of zeros after them
//   make_files labels FILE N      N labels
//   make_files flip FILE OFFSET   flips one bit of a byte of an existing file; from the end if < 0
#include <array>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

#include "../../support/synthetic_digits.hpp"
#include "chainrule/data/idx.hpp"
#include "data/files.hpp"

namespace {

using chainrule::index_t;

void write_half(const std::string& stem, const chainrule::labelled_images& images) {
  const std::array<index_t, 3> all{images.count, images.height, images.width};
  const std::array<index_t, 1> count{images.count};
  chainrule::write_idx(stem + "-images-idx3-ubyte", all, images.pixels);
  chainrule::write_idx(stem + "-labels-idx1-ubyte", count, images.labels);
}

void flip(const std::string& path, long offset) {
  std::FILE* file = std::fopen(path.c_str(), "r+b");
  if (file == nullptr) throw std::runtime_error("cannot open " + path);
  const int whence = offset < 0 ? SEEK_END : SEEK_SET;
  std::fseek(file, offset, whence);
  const int byte = std::fgetc(file);
  std::fseek(file, offset, whence);
  std::fputc(byte ^ 1, file);
  if (std::fclose(file) != 0 || byte == EOF) throw std::runtime_error("cannot change " + path);
}

void make(const std::string& what, const std::string& path, int argc, char** argv) {
  const auto number = [&](int i) { return i < argc ? std::stol(argv[i]) : 0; };
  if (what == "digits") {
    write_half(path + "/train", synthetic_digits(300, 1));
    write_half(path + "/t10k", synthetic_digits(100, 2));
#ifdef CHAINRULE_WITH_ZLIB
  } else if (what == "bomb") {
    const auto count = static_cast<std::uint32_t>(number(3));
    data_test::write_bytes(
        path, data_test::gzip_bomb(data_test::idx_header({count, 28, 28}),
                                   static_cast<unsigned>(number(4)) + count * 784 / (1U << 20U)));
#endif
  } else if (what == "labels") {
    data_test::write_bytes(path, data_test::idx_file({static_cast<std::uint32_t>(number(3))}, 10));
  } else if (what == "flip") {
    flip(path, number(3));
  } else {
    throw std::runtime_error("does not know how to make " + what);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 3) throw std::runtime_error("expects what to make, and where");
    make(argv[1], argv[2], argc, argv);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make_files: %s\n", e.what());
    return 1;
  }
}
