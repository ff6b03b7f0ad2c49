// Storage, upload, download and copy.
#include "conformance/backends.hpp"
#include "conformance/framed.hpp"
#include "support/catch.hpp"

namespace copy_test {

using namespace conformance;

static const matrix_shape shapes[] = {{0, 0},  {0, 17},   {17, 0},  {1, 1},     {1, 1025},
                                      {17, 1}, {1025, 1}, {17, 17}, {17, 1025}, {1025, 17}};

TEMPLATE_LIST_TEST_CASE("upload and download keep every bit", "[conformance][copy]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const matrix_shape s : shapes)
    for (const layout l : {packed, strided}) {
      INFO(to_string(s) << (l == packed ? " packed" : " strided"));
      const auto host = reals<T>(s, 3);
      const framed<TestType> x(be, host, l);
      CHECK(x.differs(host) == "");

      // Between rows with gaps on the host's side too.
      std::vector<T> wide(static_cast<std::size_t>(s.rows * (s.cols + 2)) + 1, T(5));
      const matrix_view<T> target(wide.data() + 1, s.rows, s.cols, s.cols + 2);
      be.download(target, x.view());
      be.synchronize();
      bool same = wide[0] == T(5);
      for (index_t i = 0; i < s.rows; ++i) {
        for (index_t j = 0; j < s.cols; ++j) same = same && target(i, j) == host(i, j);
        const T* row = wide.data() + 1 + i * (s.cols + 2);
        if (i + 1 < s.rows) same = same && row[s.cols] == T(5) && row[s.cols + 1] == T(5);
      }
      CHECK(same);

      const framed<TestType> y(be, unset<T>(s), l);
      be.upload(y.view(), matrix_view<const T>(target));
      CHECK(y.differs(host) == "");
    }
}

TEMPLATE_LIST_TEST_CASE("special values survive a round trip", "[conformance][copy]", backends) {
  using T = scalar_t<TestType>;
  using limits = std::numeric_limits<T>;
  const TestType be{};
  host_matrix<T> host({1, 6});
  host.values = {limits::infinity(),   -limits::infinity(), limits::quiet_NaN(),
                 limits::denorm_min(), limits::max(),       T(-0.0)};
  const framed<TestType> x(be, host, packed);
  CHECK(x.differs(host) == "");
  CHECK(std::signbit(x.download()(0, 5)));
}

TEMPLATE_LIST_TEST_CASE("copy between all layouts", "[conformance][copy]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const matrix_shape s : shapes)
    for (const layout from : {packed, strided})
      for (const layout to : {packed, strided}) {
        INFO(to_string(s));
        const auto host = integers<T>(s, 4);
        const framed<TestType> x(be, host, from);
        const framed<TestType> y(be, unset<T>(s), to);
        be.copy(y.view(), x.view());
        CHECK(y.differs(host) == "");
        CHECK(x.differs(host) == "");
      }
}

TEMPLATE_LIST_TEST_CASE("int32 is uploaded, copied and downloaded without conversion",
                        "[conformance][copy]", backends) {
  using I = std::int32_t;
  const TestType be{};
  for (const matrix_shape s : shapes)
    for (const layout from : {packed, strided})
      for (const layout to : {packed, strided}) {
        INFO(to_string(s));
        // Beyond 2^24, where a float does not hold every whole number.
        const auto host = integers<I>(s, 8, -(1 << 30), 1 << 30);
        const framed<TestType, I> x(be, host, from);
        const framed<TestType, I> y(be, integers<I>(s, 9), to);
        const framed<TestType, I> z(be, integers<I>(s, 10), to);
        be.copy(y.view(), x.view());
        CHECK(y.differs(host) == "");
        CHECK(x.differs(host) == "");
        be.upload(z.view(), matrix_view<const I>(host.values.data(), s.rows, s.cols));
        CHECK(z.differs(host) == "");
        host_matrix<I> back(s);
        be.download(matrix_view<I>(back.values.data(), s.rows, s.cols), y.view());
        be.synchronize();
        CHECK((back.values == host.values));  // no text of all values
      }
  const framed<TestType, I> x(be, integers<I>({2, 3}, 11), packed);
  const framed<TestType, I> y(be, integers<I>({3, 2}, 12), packed);
  CHECK(says(complaint<chainrule::shape_error>([&] { be.copy(x.view(), y.view()); }), "copy", "2x3",
             "3x2"));
}

TEMPLATE_LIST_TEST_CASE("storage of other types: bytes and indices", "[conformance][copy]",
                        backends) {
  const TestType be{};
  const auto bytes = integers<std::uint8_t>({17, 5}, 5, 0, 255);
  CHECK(framed<TestType, std::uint8_t>(be, bytes, strided).view().rows() == 17);
  const auto storage = be.template allocate<std::int32_t>(3);
  CHECK(storage.size() == 3);
  CHECK(storage.view().rows() == 1);
  CHECK(storage.view().cols() == 3);
  CHECK(be.template allocate<std::int32_t>(0).size() == 0);
  CHECK(says(complaint<chainrule::value_error>([&] { (void)be.allocate(-1); }), "-1"));
}

TEMPLATE_LIST_TEST_CASE("copies of different shapes are refused by name", "[conformance][copy]",
                        backends) {
  using T = scalar_t<TestType>;
  using chainrule::shape_error;
  const TestType be{};
  const framed<TestType> x(be, integers<T>({2, 3}, 6), packed);
  const framed<TestType> y(be, integers<T>({3, 2}, 7), packed);
  host_matrix<T> host({3, 2});
  const matrix_view<T> h(host.values.data(), 3, 2);
  CHECK(says(complaint<shape_error>([&] { be.copy(x.view(), y.view()); }), "copy", "2x3", "3x2"));
  CHECK(says(complaint<shape_error>([&] { be.upload(x.view(), h); }), "upload", "2x3", "3x2"));
  CHECK(says(complaint<shape_error>([&] { be.download(h, x.view()); }), "download", "2x3", "3x2"));
}

}  // namespace copy_test
