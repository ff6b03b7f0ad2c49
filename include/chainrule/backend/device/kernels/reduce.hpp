/// \file
/// The text of `reduce`: a functor's values combined over rows, columns or everything.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_REDUCE_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_REDUCE_HPP

#include "chainrule/backend/device/kernels/common.hpp"

namespace chainrule::device {

/// Which part of a matrix one work item of a reduction walks over.
enum class walk { row, column, run };

/// Elements that one work item combines when everything is reduced.
inline constexpr std::int64_t elements_per_run = 1024;

/// out[...] = the values of a functor, combined in order: each row, each column, or each run of
/// `elements_per_run` elements of the whole, counted along the rows.
template <std::floating_point T>
[[nodiscard]] std::string reduce_kernel(const trace& f, std::size_t operands, const trace& op,
                                        const std::string& neutral, walk w) {
  const std::string value =
      "cr_f(" +
      repeat(operands, [](const std::string& i) { return (i == "0" ? "x" : ", x") + i; }) + ")";
  const std::string body =
      operand_loads(operands) + "    total = cr_op(total, " + value + ");\n  }\n";
  std::string walking;
  switch (w) {
    case walk::row:
      walking =
          "  const long i = INDEX(0);\n  if (i >= rows) return;\n"
          "  for (long j = 0; j < cols; ++j) {\n" +
          body + "  out[out_at + i * out_step] = total;\n";
      break;
    case walk::column:
      walking =
          "  const long j = INDEX(0);\n  if (j >= cols) return;\n"
          "  for (long i = 0; i < rows; ++i) {\n" +
          body + "  out[out_at + j * out_step] = total;\n";
      break;
    case walk::run:
      walking = "  const long r = INDEX(0);\n  const long first = r * " +
                std::to_string(elements_per_run) + ";\n  long last = first + " +
                std::to_string(elements_per_run) +
                ";\n  if (last > rows * cols) last = rows * cols;\n"
                "  for (long e = first; e < last; ++e) {\n"
                "    const long i = e / cols;\n    const long j = e % cols;\n" +
                body + "  out[out_at + r * out_step] = total;\n";
      break;
  }
  return function_of<T>("cr_f", f, operands) + function_of<T>("cr_op", op, 2) +
         "KERNEL cr_main(long rows, long cols, GLOBAL real* out, long out_at, long out_step" +
         operand_parameters(operands) + ") {\n  real total = " + neutral + ";\n" + walking + "}\n";
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_REDUCE_HPP
