/// \file
/// `load_image_folder`: labelled images from a folder with a sub-folder for each class.
///
///     photos/cat/1.png  photos/cat/2.png  photos/dog/a.ppm
///
///     const image_folder photos = load_image_folder("photos");
///     photos.images;      // labelled_images: count, height, width, channels, pixels, labels
///     photos.classes[1];  // "dog"
///
/// Classes are numbered in the order of the sub-folders' names, images lie in the order of the
/// classes and of the files' names, by bytes. Files that end in .png, .ppm or .pgm are read; others
/// and those whose names begin with a dot are left out. See also data/image_file.hpp (the formats),
/// data/images.hpp.
#ifndef CHAINRULE_DATA_IMAGE_FOLDER_HPP
#define CHAINRULE_DATA_IMAGE_FOLDER_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "chainrule/core/error.hpp"
#include "chainrule/data/image_file.hpp"
#include "chainrule/data/images.hpp"

namespace chainrule {

/// The images of a folder; the name of class i is classes[i].
struct image_folder {
  /// All images, with the number of their folder as the label.
  labelled_images images;
  /// Names of the folders, sorted; the place of a name is its class.
  std::vector<std::string> classes;
};

struct image_folder_options {
  index_t channels = 0;  // 1: convert to grey; 3: to red, green, blue; 0: as the files, all alike
  std::uint64_t max_bytes = default_max_image_bytes;  // of a file, and of its pixels
};

namespace detail {

/// The names in a folder of sub-folders, or of files with the ending of an image, sorted. Throws
/// io_error if the folder cannot be read.
[[nodiscard]] inline std::vector<std::string> sorted_names(const std::string& folder,
                                                           bool of_folders) {
  std::error_code failure;
  std::filesystem::directory_iterator entry(folder, failure);
  std::vector<std::string> names;
  for (; !failure && entry != std::filesystem::directory_iterator(); entry.increment(failure)) {
    std::string name = entry->path().filename().string();
    const bool is_image =
        name.ends_with(".png") || name.ends_with(".ppm") || name.ends_with(".pgm");
    std::error_code ignored;  // of an entry whose kind is not known: it is left out
    const bool is_wanted =
        of_folders ? entry->is_directory(ignored) : is_image && entry->is_regular_file(ignored);
    if (!name.starts_with('.') && is_wanted) names.push_back(std::move(name));
  }
  if (failure) throw io_error(concat("cannot read the folder ", folder, ": ", failure.message()));
  std::sort(names.begin(), names.end());
  return names;
}

/// The image with one channel, or with three. Grey is 0.299 red + 0.587 green + 0.114 blue. Source:
/// ITU-R BT.601.
[[nodiscard]] inline image with_channels(image from, index_t channels) {
  if (from.channels == channels) return from;
  image to{from.height, from.width, channels, {}};
  const std::vector<std::uint8_t>& p = from.pixels;
  to.pixels.reserve(static_cast<std::size_t>(from.height * from.width * channels));
  if (channels == 3)
    for (const std::uint8_t grey : p) to.pixels.insert(to.pixels.end(), 3, grey);
  else
    for (std::size_t i = 0; i < p.size(); i += 3)
      to.pixels.push_back(
          static_cast<std::uint8_t>((299 * p[i] + 587 * p[i + 1] + 114 * p[i + 2] + 500) / 1000));
  return to;
}

}  // namespace detail

/// Reads the images of a folder. Throws value_error for channels other than 0, 1 and 3, io_error if
/// the folder or a file cannot be read, format_error if there is no sub-folder or more than 256, if
/// one has no image, if a file is no image, or if images differ in size.
[[nodiscard]] inline image_folder load_image_folder(const std::string& folder,
                                                    const image_folder_options& options = {}) {
  if (options.channels != 0 && options.channels != 1 && options.channels != 3)
    throw value_error(
        detail::concat("images have 1 channel or 3 (0: as the files), got ", options.channels));
  image_folder result;
  result.classes = detail::sorted_names(folder, true);
  labelled_images& all = result.images;
  all.name = folder;
  all.classes = static_cast<int>(result.classes.size());
  if (result.classes.empty() || result.classes.size() > 256)
    throw format_error(detail::concat(folder, " has ", result.classes.size(),
                                      " sub-folders, expected 1 to 256, one for each class"));
  std::string first;  // path
  for (std::size_t label = 0; label < result.classes.size(); ++label) {
    const std::string of_class = folder + "/" + result.classes[label];
    const std::vector<std::string> files = detail::sorted_names(of_class, false);
    if (files.empty())
      throw format_error(detail::concat(of_class, " holds no image, expected files that end in ",
                                        ".png, .ppm or .pgm"));
    for (const std::string& file : files) {
      const std::string path = of_class + "/" + file;
      image i = read_image(path, options.max_bytes);
      if (options.channels != 0) i = detail::with_channels(std::move(i), options.channels);
      if (first.empty()) {
        first = path;
        all.height = i.height;
        all.width = i.width;
        all.channels = i.channels;
      }
      if (i.height != all.height || i.width != all.width || i.channels != all.channels)
        throw format_error(detail::concat(
            path, " has ", i.height, "x", i.width, "x", i.channels, ", expected ", all.height, "x",
            all.width, "x", all.channels, " (height, width, channels) as ", first, " has; ",
            i.height == all.height && i.width == all.width
                ? "the option channels converts all to grey or to colour"
                : "scale all images to one size"));
      all.pixels.insert(all.pixels.end(), i.pixels.begin(), i.pixels.end());
      all.labels.push_back(static_cast<std::uint8_t>(label));
      ++all.count;
    }
  }
  return result;
}

}  // namespace chainrule

#endif  // CHAINRULE_DATA_IMAGE_FOLDER_HPP
