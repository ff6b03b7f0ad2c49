/// \file
/// Loads MNIST and data sets in its format (Fashion-MNIST, KMNIST, ...).
///
///     chainrule::mnist_data mnist = chainrule::load_mnist("data/mnist");
///     mnist.train.count;  // 60000
///     mnist.test.count;   // 10000
///     auto fashion = chainrule::load_mnist("/usr/share/datasets/fashion-mnist", "Fashion-MNIST");
///
/// The files may be plain or gzip-compressed (data/gzip.hpp says when that is available), with a
/// dash or a dot before "idx". See also data/images.hpp, data/idx.hpp.
#ifndef CHAINRULE_DATA_MNIST_HPP
#define CHAINRULE_DATA_MNIST_HPP

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "chainrule/core/error.hpp"
#include "chainrule/core/shape.hpp"
#include "chainrule/data/idx.hpp"
#include "chainrule/data/images.hpp"

namespace chainrule {

/// The training and the test images; ten classes, images of one size.
struct mnist_data {
  /// The images for training.
  labelled_images train;
  /// The images for testing.
  labelled_images test;
};

namespace detail {

/// The path of one of the four files: `stem` is "train-images" or alike, `kind` "idx3" or "idx1".
/// Throws io_error, which lists the names tried.
[[nodiscard]] inline std::string find_mnist_file(const std::string& folder, const std::string& stem,
                                                 const std::string& kind) {
  std::string looked_for;
  for (const char* separator : {"-", "."}) {
    for (const char* ending : {"", ".gz"}) {
      const std::string file = concat(stem, separator, kind, "-ubyte", ending);
      std::string path = concat(folder, "/", file);
      struct stat status {};
      if (::stat(path.c_str(), &status) == 0) return path;
      looked_for += (looked_for.empty() ? "" : ", ") + file;
    }
  }
  detail::fail<io_error>("the folder ", folder, " lacks a file of the data set: looked for ",
                         looked_for);
}

/// One half of the data set. The labels are read first, so that the header of the images is
/// compared with them before memory for the images is allocated.
[[nodiscard]] inline labelled_images load_mnist_half(const std::string& folder,
                                                     const std::string& stem,
                                                     const std::string& name) {
  constexpr int classes = 10;
  const std::string images_path = find_mnist_file(folder, stem + "-images", "idx3");
  const std::string labels_path = find_mnist_file(folder, stem + "-labels", "idx1");

  idx_reader images{images_path, 3};
  idx_array labels = read_idx(labels_path, 1);
  const index_t count = images.extents()[0];
  const index_t height = images.extents()[1];
  const index_t width = images.extents()[2];
  if (count == 0 || height == 0 || width == 0)
    detail::fail<format_error>(images_path, " holds ", count, " images of ", height, "x", width,
                               ", expected at least one image of at least one pixel");
  if (labels.extents[0] != count)
    detail::fail<format_error>(images_path, " holds ", count, " images but ", labels_path,
                               " holds ", labels.extents[0], " labels, expected as many");
  for (std::size_t i = 0; i < labels.data.size(); ++i)
    if (labels.data[i] >= classes)
      detail::fail<format_error>(labels_path, ": label ", i, " is ",
                                 static_cast<int>(labels.data[i]), ", expected 0 to 9");
  return {name, count, height, width, classes, images.read(), std::move(labels.data)};
}

}  // namespace detail

/// The data set in `folder`, with the given name. Throws io_error if the folder or one
/// of the four files is missing or unreadable, format_error if a file is not what it should be or
/// the files do not belong together.
[[nodiscard]] inline mnist_data load_mnist(const std::string& folder, std::string name = "MNIST") {
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0)
    detail::fail<io_error>("cannot open the folder ", folder, ": ", detail::system_message(errno));
  if ((status.st_mode & S_IFMT) != S_IFDIR)
    detail::fail<io_error>(folder, " is not a folder, expected one with the files of ", name);
  mnist_data data;
  // The smaller half first, to detect a wrong folder early.
  data.test = detail::load_mnist_half(folder, "t10k", name);
  data.train = detail::load_mnist_half(folder, "train", name);
  if (data.test.height != data.train.height || data.test.width != data.train.width)
    detail::fail<format_error>("the images for training and for testing in ", folder,
                               " differ in size: ", data.train.height, "x", data.train.width,
                               " and ", data.test.height, "x", data.test.width);
  return data;
}

}  // namespace chainrule

#endif  // CHAINRULE_DATA_MNIST_HPP
