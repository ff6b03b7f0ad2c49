#include "chainrule/data/mnist.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "files.hpp"
#include "support/catch.hpp"

namespace mnist_test {

using chainrule::format_error;
using chainrule::io_error;
using chainrule::load_mnist;
using namespace data_test;

namespace {

/// A tiny data set: 6 images to train, 3 to test, of 2x3.
void write_tiny(const scratch::folder& folder) {
  write_bytes(folder / "train-images-idx3-ubyte", idx_file({6, 2, 3}));
  write_bytes(folder / "train-labels-idx1-ubyte", idx_file({6}, 10));
  write_bytes(folder / "t10k-images-idx3-ubyte", idx_file({3, 2, 3}));
  write_bytes(folder / "t10k-labels-idx1-ubyte", idx_file({3}, 10));
}

std::string complaint(const scratch::folder& folder) {
  return message_of<format_error>([&] { (void)load_mnist(folder.path()); });
}

void check_tiny(const chainrule::mnist_data& data) {
  data.train.check();
  data.test.check();
  CHECK(data.train.count == 6);
  CHECK(data.test.count == 3);
  CHECK(data.train.classes == 10);
  CHECK(data.train.image(5).shape() == chainrule::matrix_shape{2, 3});
  CHECK(data.train.image(5)(1, 2) == 36);
  CHECK(data.test.image(0)(0, 0) == 1);
  CHECK(data.train.labels == bytes{1, 2, 3, 4, 5, 6});
  CHECK(data.test.labels == bytes{1, 2, 3});
}

}  // namespace

TEST_CASE("MNIST is found in its four files") {
  const scratch::folder folder;
  write_tiny(folder);
  check_tiny(load_mnist(folder.path()));
  check_tiny(load_mnist(folder.path() + "/"));
  CHECK(load_mnist(folder.path()).train.name == "MNIST");
  CHECK(load_mnist(folder.path(), "Fashion-MNIST").test.name == "Fashion-MNIST");

  // With the dot, as some unpackers name them.
  std::filesystem::rename(folder / "t10k-images-idx3-ubyte", (folder / "t10k-images.idx3-ubyte"));
  std::filesystem::rename(folder / "train-labels-idx1-ubyte", (folder / "train-labels.idx1-ubyte"));
  check_tiny(load_mnist(folder.path()));
}

#ifdef CHAINRULE_WITH_ZLIB
TEST_CASE("MNIST may be compressed, file by file") {
  const scratch::folder folder;
  write_tiny(folder);
  std::filesystem::remove(folder / "train-images-idx3-ubyte");
  write_bytes(folder / "train-images-idx3-ubyte.gz", gzip(idx_file({6, 2, 3})));
  std::filesystem::remove(folder / "t10k-labels-idx1-ubyte");
  write_bytes(folder / "t10k-labels.idx1-ubyte.gz", gzip(idx_file({3}, 10)));
  check_tiny(load_mnist(folder.path()));

  bytes cut = gzip(idx_file({6, 2, 3}));
  cut.resize(cut.size() - 9);
  write_bytes(folder / "train-images-idx3-ubyte.gz", cut);
  CHECK(contains(complaint(folder), "train-images-idx3-ubyte.gz is truncated"));
}
#endif

TEST_CASE("a missing folder and a missing file are named") {
  const scratch::folder folder;
  CHECK(message_of<io_error>([&] { (void)load_mnist(folder / "none"); }) ==
        "cannot open the folder " + (folder / "none") + ": No such file or directory");
  write_bytes(folder / "file", {1});
  CHECK(contains(message_of<io_error>([&] { (void)load_mnist(folder / "file"); }),
                 "is not a folder"));
  write_tiny(folder);
  for (const std::string stem : {"train-images", "train-labels", "t10k-images", "t10k-labels"}) {
    const std::string kind = contains(stem, "images") ? "idx3-ubyte" : "idx1-ubyte";
    write_tiny(folder);
    std::filesystem::remove((folder / stem + "-" + kind));
    const std::string message = message_of<io_error>([&] { (void)load_mnist(folder.path()); });
    CHECK(contains(message, folder.path()));
    CHECK(contains(message, stem + "-" + kind + ", " + stem + "-" + kind + ".gz, " + stem + "." +
                                kind + ", " + stem + "." + kind + ".gz"));
  }
}

TEST_CASE("MNIST files that are wrong are named, with what was expected and found") {
  const scratch::folder folder;
  write_tiny(folder);
  const std::string train_images = folder / "train-images-idx3-ubyte";
  const std::string train_labels = folder / "train-labels-idx1-ubyte";

  SECTION("truncated images") {
    bytes cut = idx_file({6, 2, 3});
    cut.resize(40);
    write_bytes(train_images, cut);
    CHECK(contains(complaint(folder), train_images + " is truncated: its header (6x2x3) demands "
                                                     "52 bytes, the file has 40"));
  }
  SECTION("swapped files") {
    write_bytes(train_images, idx_file({6}, 10));
    CHECK(contains(complaint(folder),
                   train_images + " holds an array of 1 extent (idx1), expected 3 (idx3)"));
    write_bytes(train_images, idx_file({6, 2, 3}));
    write_bytes(train_labels, idx_file({6, 2, 3}));
    CHECK(contains(complaint(folder),
                   train_labels + " holds an array of 3 extents (idx3), expected 1 (idx1)"));
  }
  SECTION("other counts") {
    write_bytes(train_labels, idx_file({5}, 10));
    CHECK(complaint(folder) == train_images + " holds 6 images but " + train_labels +
                                   " holds 5 labels, expected as many");
  }
  SECTION("a label that is no digit") {
    bytes labels = idx_file({6}, 10);
    labels[8 + 4] = 10;
    write_bytes(train_labels, labels);
    CHECK(complaint(folder) == train_labels + ": label 4 is 10, expected 0 to 9");
  }
  SECTION("other sizes for training than for testing") {
    write_bytes(train_images, idx_file({6, 3, 2}));
    CHECK(contains(complaint(folder), "differ in size: 3x2 and 2x3"));
  }
  SECTION("no images") {
    write_bytes(train_images, idx_file({0, 2, 3}));
    write_bytes(train_labels, idx_file({0}));
    CHECK(contains(complaint(folder), train_images + " holds 0 images of 2x3"));
  }
  SECTION("trailing bytes") {
    write_bytes(train_labels, joined(idx_file({6}, 10), {1}));
    CHECK(contains(complaint(folder), train_labels + " has bytes left over"));
  }
}

// What a distribution installs, where it is installed.
#ifdef CHAINRULE_WITH_ZLIB
TEST_CASE("Fashion-MNIST of the package dataset-fashion-mnist") {
  const std::string folder = "/usr/share/datasets/fashion-mnist";
  if (!std::filesystem::exists(folder + "/train-images-idx3-ubyte.gz")) {
    WARN(folder << " is not installed: not tested");
    return;
  }
  const auto data = load_mnist(folder, "Fashion-MNIST");
  data.train.check();
  data.test.check();
  CHECK(data.train.view().shape() == chainrule::matrix_shape{60000, 784});
  CHECK(data.test.view().shape() == chainrule::matrix_shape{10000, 784});
  CHECK(data.train.labels[0] == 9);  // an ankle boot
}
#endif

}  // namespace mnist_test
