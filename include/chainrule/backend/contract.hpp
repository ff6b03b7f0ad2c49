/// \file
/// Checks of the shapes of verbs, in one place, so that all backends throw the same errors.
#ifndef CHAINRULE_BACKEND_CONTRACT_HPP
#define CHAINRULE_BACKEND_CONTRACT_HPP

#include "chainrule/core/error.hpp"
#include "chainrule/core/shape.hpp"

namespace chainrule::contract {

// The messages of what each verb compares are not inlined with the comparisons.

[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_shape(const char* verb,
                                                                matrix_shape expected,
                                                                matrix_shape got) {
  detail::fail<shape_error>(verb, ": the shapes ", to_string(expected), " and ", to_string(got),
                            " differ");
}
[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_product(const char* verb, matrix_shape c,
                                                                  matrix_shape a, matrix_shape b) {
  detail::fail<shape_error>(verb, ": a product of ", to_string(a), " by ", to_string(b), " into ",
                            to_string(c), "; the inner extents must agree and the result be ",
                            a.rows, "x", b.cols);
}
[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_rows(matrix_shape result,
                                                               matrix_shape source,
                                                               matrix_shape rows) {
  detail::fail<shape_error>("gather: ", to_string(rows), " rows of ", to_string(source),
                            " do not fill ", to_string(result));
}

/// Throws shape_error, naming the verb, unless the shapes are equal.
inline void same_shape(const char* verb, matrix_shape expected, matrix_shape got) {
  if (expected != got) refuse_shape(verb, expected, got);
}

/// Throws shape_error unless an operand can be repeated to the shape of the whole.
inline void broadcasts(const char* verb, matrix_shape operand, matrix_shape whole) {
  if ((operand.rows != whole.rows && operand.rows != 1) ||
      (operand.cols != whole.cols && operand.cols != 1))
    detail::fail<shape_error>(verb, ": an operand of ", to_string(operand),
                              " does not broadcast to ", to_string(whole));
}

/// The shape that operands are broadcast to: an extent of 1 is replaced by that of the next
/// operand.
template <class... Shapes>
[[nodiscard]] constexpr matrix_shape broadcast(matrix_shape first, Shapes... more) {
  [[maybe_unused]] const auto widen = [&](matrix_shape s) {
    if (first.rows == 1) first.rows = s.rows;
    if (first.cols == 1) first.cols = s.cols;
  };
  (widen(more), ...);
  return first;
}

/// Throws shape_error unless a result can hold the reduction of the whole.
inline void reduces(matrix_shape result, matrix_shape whole) {
  if ((result.rows != 1 && result.rows != whole.rows) ||
      (result.cols != 1 && result.cols != whole.cols))
    detail::fail<shape_error>("reduce: a result of ", to_string(result),
                              " cannot hold the reduction of ", to_string(whole),
                              "; each of its extents must be 1 or that of the operands");
}

/// Throws shape_error, naming the verb, unless c can be the product of a and b, as they are after
/// transposition.
inline void product(matrix_shape c, matrix_shape a, matrix_shape b, const char* verb = "gemm") {
  if (b.rows != a.cols || c.rows != a.rows || c.cols != b.cols) refuse_product(verb, c, a, b);
}

/// Throws shape_error unless a batch of `count` products is valid: counts and steps are not
/// negative, and no two results share an element, because each begins after the end of the previous
/// one, or because they are side by side in the rows of a wider matrix.
inline void products(index_t count, matrix_shape c, index_t c_stride, index_t c_step,
                     matrix_shape a, index_t a_step, matrix_shape b, index_t b_step) {
  product(c, a, b, "gemm_batch");
  if (count < 0 || c_step < 0 || a_step < 0 || b_step < 0)
    detail::fail<shape_error>("gemm_batch: ", count, " products in steps of ", c_step, ", ", a_step,
                              " and ", b_step, "; none of them may be negative");
  const bool one_behind_the_other = c_step >= (c.rows - 1) * c_stride + c.cols;
  const bool side_by_side = c_step >= c.cols && (count - 1) * c_step + c.cols <= c_stride;
  if (count > 1 && c.size() > 0 && !one_behind_the_other && !side_by_side)
    detail::fail<shape_error>("gemm_batch: ", count, " results of ", to_string(c), " with stride ",
                              c_stride, " and step ", c_step,
                              " have elements in common; choose a larger step");
}

/// Throws shape_error unless `rows` (1 x n) of a source fill a result of n rows.
inline void gathers(matrix_shape result, matrix_shape source, matrix_shape rows) {
  if (rows.rows != 1 || rows.cols != result.rows || source.cols != result.cols)
    refuse_rows(result, source, rows);
}

/// Throws shape_error, naming the verb, unless `rows` (1 x n) of a target take the n rows of a
/// source.
inline void scatters(const char* verb, matrix_shape target, matrix_shape rows,
                     matrix_shape source) {
  if (rows.rows != 1 || rows.cols != source.rows || source.cols != target.cols)
    detail::fail<shape_error>(verb, ": ", to_string(source), " does not fit ", to_string(rows),
                              " rows of ", to_string(target));
}

}  // namespace chainrule::contract

#endif  // CHAINRULE_BACKEND_CONTRACT_HPP
