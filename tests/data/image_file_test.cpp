// Pictures from files: values, and what is wrong with a file.
#include "chainrule/data/image_file.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "chainrule/data/image_folder.hpp"
#include "files.hpp"
#include "support/catch.hpp"

namespace image_file_test {

using namespace chainrule;
using data_test::bytes;
using data_test::contains;
using data_test::joined;
using data_test::message_of;
using data_test::write_bytes;

namespace {

// Made by Python's zlib and struct, without libpng.
// clang-format off
const bytes grey_png{
137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 3, 0, 0, 0, 2, 8, 0, 0, 0, 0, 184, 31, 57, 198, 0, 0, 0, 16, 73, 68, 65, 84, 120, 218, 99, 96, 72, 249, 207, 192, 200, 196, 12, 0, 7, 101, 1, 106, 139, 236, 126, 144, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130};
const bytes colour_png{
137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 2, 0, 0, 0, 2, 8, 2, 0, 0, 0, 253, 212, 154, 115, 0, 0, 0, 19, 73, 68, 65, 84, 120, 218, 99, 248, 207, 192, 192, 0, 194, 12, 255, 185, 68, 228, 0, 26, 88, 3, 58, 226, 146, 110, 217, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130};
const bytes alpha_png{
137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 2, 0, 0, 0, 1, 8, 6, 0, 0, 0, 244, 34, 127, 138, 0, 0, 0, 17, 73, 68, 65, 84, 120, 218, 99, 56, 145, 98, 196, 192, 201, 193, 254, 31, 0, 11, 122, 2, 118, 93, 8, 147, 106, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130};
const bytes grey_alpha_png{
137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 2, 0, 0, 0, 1, 8, 4, 0, 0, 0, 94, 43, 183, 1, 0, 0, 0, 13, 73, 68, 65, 84, 120, 218, 99, 56, 193, 192, 249, 31, 0, 4, 54, 1, 209, 55, 174, 76, 101, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130};
const bytes palette_png{
137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 2, 0, 0, 0, 1, 8, 3, 0, 0, 0, 195, 252, 143, 184, 0, 0, 0, 6, 80, 76, 84, 69, 1, 2, 3, 250, 251, 252, 253, 94, 230, 163, 0, 0, 0, 11, 73, 68, 65, 84, 120, 218, 99, 96, 100, 0, 0, 0, 5, 0, 2, 66, 194, 68, 159, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130};
const bytes bits_png{
137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 3, 0, 0, 0, 1, 1, 0, 0, 0, 0, 51, 155, 41, 25, 0, 0, 0, 10, 73, 68, 65, 84, 120, 218, 99, 88, 0, 0, 0, 162, 0, 161, 113, 5, 203, 65, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130};
const bytes deep_png{
137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 1, 0, 0, 0, 1, 16, 0, 0, 0, 0, 106, 238, 71, 22, 0, 0, 0, 11, 73, 68, 65, 84, 120, 218, 99, 96, 100, 2, 0, 0, 7, 0, 4, 229, 237, 148, 207, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130};
const bytes huge_png{
137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 119, 53, 148, 0, 119, 53, 148, 0, 8, 2, 0, 0, 0, 212, 66, 243, 113, 0, 0, 0, 9, 73, 68, 65, 84, 120, 218, 99, 0, 0, 0, 1, 0, 1, 177, 13, 182, 147, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130};
const bytes wide_png{
137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 117, 48, 0, 0, 117, 48, 8, 2, 0, 0, 0, 233, 69, 111, 237, 0, 0, 0, 9, 73, 68, 65, 84, 120, 218, 99, 0, 0, 0, 1, 0, 1, 177, 13, 182, 147, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130};
// clang-format on

bytes text(const std::string& s) { return {s.begin(), s.end()}; }

struct files {
  scratch::folder folder;
  std::string path = folder / "picture";

  image read(const bytes& content) const {
    write_bytes(path, content);
    return read_image(path);
  }
  /// What is wrong with that content, without the path.
  std::string refused(const bytes& content) const {
    const std::string message = message_of<format_error>([&] { (void)read(content); });
    return message.rfind(path, 0) == 0 ? message.substr(path.size()) : "? " + message;
  }
};

void check(const image& i, index_t height, index_t width, index_t channels, const bytes& pixels) {
  CHECK(i.height == height);
  CHECK(i.width == width);
  CHECK(i.channels == channels);
  CHECK(i.pixels == pixels);
}

/// Whether it is read, or refused by an error of the library; anything else is not caught.
bool is_read(const files& f, const bytes& content) {
  try {
    const image i = f.read(content);
    CHECK(static_cast<index_t>(i.pixels.size()) == i.height * i.width * i.channels);
    return true;
  } catch (const format_error&) {
    return false;
  }
}

}  // namespace

TEST_CASE("PGM and PPM: the pixels, whatever the white space and comments of the header") {
  const files f;
  const bytes six{0, 10, 13, 32, 35, 255};  // also what white space and comments look like
  check(f.read(joined(text("P5\n3 2\n255\n"), six)), 2, 3, 1, six);
  check(f.read(joined(text("P5 # grey\r\n#\n 3\t2 #2 rows\n255 "), six)), 2, 3, 1, six);
  check(f.read(joined(text("P6\n1\n2\n255\n"), six)), 2, 1, 3, six);
  check(f.read(joined(text("P6#\n2 1 255\n"), six)), 1, 2, 3, six);
}

TEST_CASE("PGM and PPM: what is wrong is named") {
  const files f;
  const bytes six(6);
  CHECK(f.refused(text("P5\n3 2\n255\n12345")) ==
        " is truncated: 2x3 pixels of 1 bytes need 6 bytes, it has 5");
  CHECK(f.refused(joined(text("P6\n1 1\n255\n"), six)) ==
        " goes on: 1x1 pixels of 3 bytes need 3 bytes, it has 6");
  CHECK(f.refused(joined(text("P5\n3 2\n65535\n"), six)) ==
        " has values of 0 to 65535, expected 0 to 255: convert it to 8 bits per channel");
  CHECK(f.refused(joined(text("P5\n0 2\n255\n"), six)) ==
        " is an image of 2x0 pixels, expected at least one pixel");
  const std::string lacks = " is damaged: its header lacks ";
  const std::string number = ", a number up to 2147483647, at byte ";
  CHECK(f.refused(text("P5")) == lacks + "the width" + number + "2");
  CHECK(f.refused(text("P512 3 255\n")) == lacks + "the width" + number + "2");
  CHECK(f.refused(text("P5\n-1 3")) == lacks + "the width" + number + "3");
  CHECK(f.refused(text("P5\n3 # 2")) == lacks + "the height" + number + "8");
  CHECK(f.refused(text("P5\n3 2\n")) == lacks + "the largest value" + number + "7");
  for (const char* large : {"2147483648", "4294967297", "21474836479", "99999999999999999999999"})
    CHECK(f.refused(text("P5\n" + std::string(large) + " 2\n255\n")) ==
          lacks + "the width" + number + "3");
  CHECK(f.refused(text("P5\n3 2\n255")) ==
        " is damaged: its header does not end with white space, at byte 10");
  CHECK(f.refused(text("P5\n2147483647 2147483647\n255\n")) ==
        " is an image of 2147483647x2147483647 pixels of 1 bytes, more than the 67108864 bytes "
        "accepted");
  CHECK(f.refused(text("P3\n1 1\n255\n0 0 0")) ==
        " is no image that is read: expected PNG, PPM (P6) or PGM (P5)");
  CHECK(f.refused({}) == " is no image that is read: expected PNG, PPM (P6) or PGM (P5)");
  CHECK_THROWS_AS(read_image(f.folder / "none"), io_error);
  CHECK_THROWS_AS(read_image(f.folder.path()), io_error);
  write_bytes(f.path, joined(text("P5\n3 2\n255\n"), six));
  CHECK(read_image(f.path, 17).pixels == six);
  CHECK(contains(message_of<format_error>([&] { (void)read_image(f.path, 16); }),
                 " is longer than the 16 bytes accepted"));
}

TEST_CASE("a damaged PPM file is read or refused, and nothing else") {
  const files f;
  const bytes whole = text("P6 2 1 255\nabcdef");
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_FALSE(is_read(f, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}));
  int read = 0;
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (unsigned bit = 0; bit < 8; ++bit) {
      bytes damaged = whole;
      damaged[i] = static_cast<std::uint8_t>(damaged[i] ^ (1U << bit));
      read += is_read(f, damaged) ? 1 : 0;
    }
  CHECK(read >= 6 * 8);  // pixels may have any value
}

#ifdef CHAINRULE_WITH_PNG

TEST_CASE("PNG: grey and colour, transparency and palettes") {
  const files f;
  check(f.read(grey_png), 2, 3, 1, {0, 100, 255, 1, 2, 3});
  check(f.read(colour_png), 2, 2, 3, {255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30});
  check(f.read(alpha_png), 1, 2, 3, {200, 100, 50, 9, 8, 7});
  check(f.read(grey_alpha_png), 1, 2, 1, {200, 9});
  check(f.read(palette_png), 1, 2, 3, {250, 251, 252, 1, 2, 3});
  check(f.read(bits_png), 1, 3, 1, {255, 0, 255});
}

TEST_CASE("PNG: what is wrong is named") {
  const files f;
  CHECK(contains(f.refused(deep_png), " has 16 bits per channel, expected 8"));
  CHECK(contains(f.refused(huge_png), " is damaged or no PNG file: "));
  CHECK(f.refused(wide_png) ==
        " is an image of 30000x30000 pixels of 3 bytes, more than the 67108864 bytes accepted");
  bytes damaged = colour_png;
  damaged[45] ^= 1;  // in the data, whose checksum tells
  CHECK(contains(f.refused(damaged), " is damaged or no PNG file: "));
}

TEST_CASE("a damaged PNG file is read or refused, and nothing else") {
  const files f;
  for (const bytes& whole : {grey_png, alpha_png, palette_png}) {
    // Without the last chunk, IEND of 12 bytes, all pixels are there.
    for (std::size_t size = 0; size + 12 < whole.size(); ++size)
      CHECK_FALSE(is_read(f, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}));
    CHECK(is_read(f, whole));
    for (std::size_t i = 8; i < whole.size(); ++i)
      for (unsigned bit = 0; bit < 8; ++bit) {
        bytes damaged = whole;
        damaged[i] = static_cast<std::uint8_t>(damaged[i] ^ (1U << bit));
        (void)is_read(f, damaged);
      }
  }
}

#else

TEST_CASE("without libpng a PNG file is refused with what to do") {
  const files f;
  CHECK(contains(f.refused(grey_png), "link the CMake target chainrule::images"));
}

#endif

namespace {

/// Folders with a PGM file of 1 x 2 pixels for each name.
struct photos {
  scratch::folder folder;

  void add(const std::string& name, const bytes& content) const {
    const std::string of_class = folder / name.substr(0, name.find('/'));
    ::mkdir(of_class.c_str(), 0700);
    write_bytes(folder / name, content);
  }
  void add_grey(const std::string& name, std::uint8_t first, std::uint8_t second) const {
    add(name, joined(text("P5\n2 1\n255\n"), {first, second}));
  }
  std::string refused(const image_folder_options& options = {}) const {
    return message_of<format_error>([&] { (void)load_image_folder(folder.path(), options); });
  }
};

const bytes two_colours = joined(text("P6\n2 1\n255\n"), {255, 0, 0, 10, 20, 30});

}  // namespace

TEST_CASE("a folder of images: classes and files in the order of their names") {
  const photos p;
  p.add_grey("dog/b.pgm", 5, 6);
  p.add_grey("dog/a.pgm", 3, 4);
  p.add_grey("cat/10.pgm", 1, 2);
  p.add_grey("Zebra/z.pgm", 7, 8);
  p.add("dog/notes.txt", text("left out"));
  p.add("dog/.hidden.pgm", text("left out"));
  write_bytes(p.folder / "list.pgm", text("left out"));
  p.add_grey(".thumbnails/x.pgm", 0, 0);
  const image_folder found = load_image_folder(p.folder.path());
  CHECK(found.classes == std::vector<std::string>{"Zebra", "cat", "dog"});
  CHECK(found.images.pixels == bytes{7, 8, 1, 2, 3, 4, 5, 6});
  CHECK(found.images.labels == bytes{0, 1, 2, 2});
  CHECK(found.images.name == p.folder.path());
  CHECK(found.images.classes == 3);
  CHECK(found.images.sample_shape() == shape{1, 2, 1});
  found.images.check();
}

TEST_CASE("a folder of images: grey and colour are converted where it is asked for") {
  const photos p;
  p.add_grey("a/1.pgm", 1, 2);
  p.add("a/2.ppm", two_colours);
  CHECK(p.refused() == (p.folder / "a/2.ppm") + " has 1x2x3, expected 1x2x1 (height, width, " +
                           "channels) as " + (p.folder / "a/1.pgm") +
                           " has; the option channels converts all to grey or to colour");
  const image_folder grey = load_image_folder(p.folder.path(), {.channels = 1});
  // 0.299 * 255 = 76.2; 0.299 * 10 + 0.587 * 20 + 0.114 * 30 = 18.2
  CHECK(grey.images.pixels == bytes{1, 2, 76, 18});
  CHECK(grey.images.channels == 1);
  const image_folder colour = load_image_folder(p.folder.path(), {.channels = 3});
  CHECK(colour.images.pixels == bytes{1, 1, 1, 2, 2, 2, 255, 0, 0, 10, 20, 30});
  CHECK(colour.images.channels == 3);
}

TEST_CASE("a folder of images: what is wrong names the folder or the file") {
  const photos p;
  const std::string folder = p.folder.path();
  CHECK(p.refused() == folder + " has 0 sub-folders, expected 1 to 256, one for each class");
  p.add("a/x.txt", {});
  CHECK(p.refused() == folder + "/a holds no image, expected files that end in .png, .ppm or .pgm");
  p.add_grey("a/1.pgm", 1, 2);
  p.add("b/1.pgm", text("P5\n1 1\n255\nx"));
  CHECK(p.refused() == folder + "/b/1.pgm has 1x1x1, expected 1x2x1 (height, width, channels) as " +
                           folder + "/a/1.pgm has; scale all images to one size");
  p.add("b/1.pgm", text("P5\n2 1\n255\nx"));
  CHECK(p.refused() ==
        folder + "/b/1.pgm is truncated: 1x2 pixels of 1 bytes need 2 bytes, it has 1");
  CHECK(message_of<value_error>([&] { (void)load_image_folder(folder, {.channels = 2}); }) ==
        "images have 1 channel or 3 (0: as the files), got 2");
  CHECK(contains(message_of<io_error>([&] { (void)load_image_folder(folder + "/none"); }),
                 "cannot read the folder " + folder + "/none: "));
  const photos many;
  for (int i = 0; i < 257; ++i) many.add_grey(std::to_string(i) + "/x.pgm", 0, 0);
  CHECK(contains(many.refused(), " has 257 sub-folders, expected 1 to 256"));
}

}  // namespace image_file_test
