/// \file
/// What the conformance tests are made of: matrices on the host, the same in a backend's memory
/// with a frame of guard elements around them, and comparisons that say where they failed.
///
///     const auto a = integers<T>({17, 5}, 1);          // on the host
///     framed<B> x(be, a, strided);                     // in the backend's memory
///     framed<B> y(be, unset<T>({17, 5}), strided);     // a result, NaN until it is written
///     be.map(fn::negate{}, y.view(), x.view());
///     CHECK(y.differs([&](index_t i, index_t j) { return -a(i, j); }) == "");
#ifndef CHAINRULE_TESTS_CONFORMANCE_FRAMED_HPP
#define CHAINRULE_TESTS_CONFORMANCE_FRAMED_HPP

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "chainrule/backend/concept.hpp"
#include "chainrule/core/philox.hpp"
#include "support/complaint.hpp"

namespace conformance {

using chainrule::index_t;
using chainrule::matrix_shape;
using chainrule::matrix_view;
using chainrule::scalar_t;

/// Whether a backend's memory is the host's, so that it can look into it.
template <class B>
inline constexpr bool host_memory = requires {
  requires B::host_memory;
};

/// A row-major matrix of the host's.
template <class T>
struct host_matrix {
  matrix_shape extents;
  std::vector<T> values;

  explicit host_matrix(matrix_shape s, T value = T(0))
      : extents(s), values(static_cast<std::size_t>(s.size()), value) {}
  [[nodiscard]] T& operator()(index_t i, index_t j) {
    return values[static_cast<std::size_t>(i * extents.cols + j)];
  }
  [[nodiscard]] const T& operator()(index_t i, index_t j) const {
    return values[static_cast<std::size_t>(i * extents.cols + j)];
  }
  /// The element that stands at (i, j) where this matrix is repeated along its extents of 1.
  [[nodiscard]] const T& repeated(index_t i, index_t j) const {
    return (*this)(extents.rows == 1 ? 0 : i, extents.cols == 1 ? 0 : j);
  }
};

/// Integers between low and high: sums of their products are exact in any order.
template <class T>
[[nodiscard]] host_matrix<T> integers(matrix_shape s, std::uint64_t seed, int low = -4,
                                      int high = 4) {
  chainrule::random_stream random(seed, 1);
  host_matrix<T> m(s);
  for (T& x : m.values)
    x = static_cast<T>(low + static_cast<int>(random.below(static_cast<unsigned>(high - low + 1))));
  return m;
}

/// Numbers in [-1, 1), rounded to T.
template <class T>
[[nodiscard]] host_matrix<T> reals(matrix_shape s, std::uint64_t seed) {
  chainrule::random_stream random(seed, 2);
  host_matrix<T> m(s);
  for (T& x : m.values) x = static_cast<T>(random.uniform(-1, 1));
  return m;
}

/// NaN everywhere: what a result holds before the verb that assigns it.
template <class T>
[[nodiscard]] host_matrix<T> unset(matrix_shape s) {
  return host_matrix<T>(s, std::numeric_limits<T>::quiet_NaN());
}

/// How a matrix lies in memory: without gaps, as a part of wider rows, or as such a part whose rows
/// begin on a boundary of four elements if it has a multiple of four columns.
enum class layout { packed, strided, aligned };
inline constexpr layout packed = layout::packed;
inline constexpr layout strided = layout::strided;
inline constexpr layout aligned = layout::aligned;

/// A matrix in B's memory; the elements before, behind and between its rows hold a guard value.
template <class B, class T = scalar_t<B>>
class framed {
 public:
  using storage = decltype(std::declval<const B&>().template allocate<T>(1));
  using view_type = decltype(std::declval<const storage&>().view());

  framed(const B& be, const host_matrix<T>& content, layout l)
      : be_(be),
        extents_(content.extents),
        margin_(l == layout::aligned ? 8 : 5),  // odd, so that no row begins on a boundary
        stride_(extents_.cols + (l == layout::packed ? 0 : (l == layout::aligned ? 4 : 3))),
        storage_(be.template allocate<T>(2 * margin_ + extents_.rows * stride_)) {
    image_.assign(static_cast<std::size_t>(2 * margin_ + extents_.rows * stride_), guard);
    for (index_t i = 0; i < extents_.rows; ++i)
      for (index_t j = 0; j < extents_.cols; ++j) image_[place(i, j)] = content(i, j);
    be_.upload(storage_.view(), matrix_view<const T>(image_.data(), 1, storage_.size()));
  }

  [[nodiscard]] view_type view() const {
    return view_type(storage_.view().data() + margin_, extents_.rows, extents_.cols, stride_);
  }

  /// What the matrix holds now.
  [[nodiscard]] host_matrix<T> download() const {
    const std::vector<T> now = everything();
    host_matrix<T> m(extents_);
    for (index_t i = 0; i < extents_.rows; ++i)
      for (index_t j = 0; j < extents_.cols; ++j) m(i, j) = now[place(i, j)];
    return m;
  }

  /// Where the matrix is further from `expected(i, j)` than `bound(i, j)`, or the frame is no
  /// longer what it was; "" if nowhere.
  template <class Expected, class Bound>
  [[nodiscard]] std::string differs(const Expected& expected, const Bound& bound) const {
    using chainrule::detail::concat;
    std::vector<T> now = everything();
    for (index_t i = 0; i < extents_.rows; ++i)
      for (index_t j = 0; j < extents_.cols; ++j) {
        T& got = now[place(i, j)];
        const auto want = static_cast<long double>(expected(i, j));
        const auto allowed = static_cast<long double>(bound(i, j));
        const long double off = std::fabs(static_cast<long double>(got) - want);
        const bool same = static_cast<long double>(got) == want || (got != got && want != want);
        if (!same && !(off <= allowed))
          return concat("(", i, ", ", j, ") of ", to_string(extents_), " is ", got, ", expected ",
                        want, ", off by ", off, ", allowed ", allowed);
        got = guard;
      }
    for (std::size_t e = 0; e < now.size(); ++e)
      if (now[e] != guard)
        return concat("element ", static_cast<index_t>(e) - margin_, " outside of ",
                      to_string(extents_), " with stride ", stride_, " became ", now[e]);
    return {};
  }
  /// The same, exactly.
  template <class Expected>
  [[nodiscard]] std::string differs(const Expected& expected) const {
    return differs(expected, [](index_t, index_t) { return 0; });
  }

 private:
  static constexpr T guard = T(77);

  [[nodiscard]] std::size_t place(index_t i, index_t j) const {
    return static_cast<std::size_t>(margin_ + i * stride_ + j);
  }
  [[nodiscard]] std::vector<T> everything() const {
    std::vector<T> now(image_.size());
    be_.synchronize();
    be_.download(matrix_view<T>(now.data(), 1, storage_.size()), storage_.view());
    be_.synchronize();
    return now;
  }

  B be_;
  matrix_shape extents_;
  index_t margin_;
  index_t stride_;
  storage storage_;
  std::vector<T> image_;
};

using support::complaint;

/// Whether `text` holds all of `parts`.
template <class... Parts>
[[nodiscard]] bool says(const std::string& text, const Parts&... parts) {
  return ((text.find(parts) != std::string::npos) && ...);
}

}  // namespace conformance

#endif  // CHAINRULE_TESTS_CONFORMANCE_FRAMED_HPP
