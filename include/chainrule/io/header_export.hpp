/// \file
/// `export_header`: a network as a C++11 header without dependencies, for microcontrollers and
/// other programs.
///
///     export_header(net, "digits.hpp", {.name = "digits"});
///
///     #include "digits.hpp"                  // in another program, without this library
///     digits::predict(x, y);                 // float x[784], y[10]: one sample
///
/// The header holds the parameters as constants and plain loops, of the network's scalar. It states
/// `inputs`, `outputs` and `scratch_size`. See also docs/export.md.
#ifndef CHAINRULE_IO_HEADER_EXPORT_HPP
#define CHAINRULE_IO_HEADER_EXPORT_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chainrule/core/finite.hpp"
#include "chainrule/io/atomic_file.hpp"
#include "chainrule/io/exported_network.hpp"
#include "chainrule/io/header_functions.hpp"

namespace chainrule {

/// Options of export_header.
struct header_options {
  std::string name = "network";                     ///< of the namespace
  std::vector<traced_activation> activations = {};  ///< those of the program's own
};

namespace detail {

/// Writes a header step by step.
class header_writer {
 public:
  header_writer(const exported_network& net, const header_options& options)
      : net_(net), options_(options) {
    require_name();
    if (net.takes_indices)
      throw value_error("a network that takes indices (embedding) cannot be written as a header");
    plan_memory();
    for (std::size_t i = 0; i < net.steps.size(); ++i) write(net.steps[i], pointer(i + 1));
    const std::size_t result = root_[net.result];
    if (result == 0)
      call("copy", {"x", "y", "1", text(net.input.size()), "0", text(net.input.size())});
  }

  /// The header.
  [[nodiscard]] std::string text_of_header() const {
    const std::string type = net_.is_double ? "double" : "float";
    const std::string& name = options_.name;
    const std::string guard = "CHAINRULE_EXPORTED_" + name + "_HPP";
    std::string out = concat(
        "// A neural network, written by chainrule's export_header: C++11, no "
        "dependencies.\n//   ",
        name, "::predict(x, y): x of ", to_string(net_.input), " (channels ", "last), y of ",
        to_string(net_.shape_of_value(net_.result)),
        "; one sample; x and y do not overlap.\n#ifndef ", guard, "\n#define ", guard,
        "\n\n#include <cmath>\n#include <limits>\n\nnamespace ", name, " {\n\n");
    out += concat("typedef ", type, " real;\nconst int inputs = ", net_.input.size(),
                  ";\nconst int outputs = ", net_.shape_of_value(net_.result).size(),
                  ";\nconst int scratch_size = ", scratch_, ";  // numbers of `real`\n\n");
    out += "namespace detail {\n";
    if (!activations_.empty()) out += header_prelude;
    out += R"(
// An image of h * w pixels of c channels, and a window of kh * kw pixels over it at oh * ow places.
struct window {
  int h, w, c, kh, kw, sh, sw, dh, dw, top, left, oh, ow;
};
)";
    for (const header_function& f : header_functions)
      if (used_.count(f.name) != 0) out += f.text;
    out += activations_ + constants_;
    out += concat(
        "\n}  // namespace detail\n\n// s: memory for scratch_size numbers, of the caller.\n"
        "inline void predict(const real* x, real* y, real* s) {\n"
        "  using namespace detail;\n  (void)s;\n",
        body_, "}\n\n");
    out += concat(
        "// Not for several threads at one time: the memory is static.\n"
        "inline void predict(const real* x, real* y) {\n  static real s[",
        std::max(scratch_, index_t{1}), "];\n  predict(x, y, s);\n}\n\n}  // namespace ", name,
        "\n\n#endif\n");
    return out;
  }

 private:
  using strings = std::vector<std::string>;

  void require_name() const {
    const auto is_letter = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    };
    bool good = !options_.name.empty() && is_letter(options_.name[0]);
    for (const char c : options_.name) good = good && (is_letter(c) || (c >= '0' && c <= '9'));
    if (!good)
      throw value_error(
          concat("export_header: the name of a namespace has letters, digits and "
                 "underscores, got ",
                 name_text(options_.name)));
  }

  [[nodiscard]] static bool is_view(const exported_step& s) {
    return s.layer.kind == "flatten" || s.layer.kind == "reshape_to";
  }
  /// Whether each output depends on the elements of its own place only.
  [[nodiscard]] static bool is_pointwise(const exported_step& s) {
    const std::string& kind = s.layer.kind;
    return kind == "activation" || kind == "add" || kind == "batch_norm" || kind == "prelu";
  }
  /// Gives each value a place in the scratch memory, from the step that computes it to the last one
  /// that reads it.
  void plan_memory() {
    const std::size_t count = net_.steps.size() + 1;
    std::vector<std::size_t> last_use(count, 0);
    for (std::size_t i = 0; i < count; ++i) {
      const bool view = i > 0 && is_view(net_.steps[i - 1]);
      root_.push_back(view ? root_[net_.steps[i - 1].from[0]] : i);
      if (i > 0)
        for (const std::size_t from : net_.steps[i - 1].from) last_use[root_[from]] = i;
    }
    place_.assign(count, 0);
    std::vector<std::size_t> live;
    for (std::size_t i = 1; i < count; ++i) {
      std::erase_if(live, [&](std::size_t v) { return last_use[v] < i; });
      if (root_[i] != i || i == root_[net_.result]) continue;
      const exported_step& s = net_.steps[i - 1];
      const std::size_t in = root_[s.from[0]];
      if (is_pointwise(s) && in != 0 && last_use[in] == i) {  // in place
        place_[i] = place_[in];
        live.push_back(i);
        continue;
      }
      const index_t size = net_.shape_of_value(i).size();
      std::sort(live.begin(), live.end(),
                [&](std::size_t a, std::size_t b) { return place_[a] < place_[b]; });
      index_t at = 0;
      for (const std::size_t v : live) {
        if (at + size <= place_[v]) break;
        at = std::max(at, place_[v] + net_.shape_of_value(v).size());
      }
      place_[i] = at;
      scratch_ = std::max(scratch_, at + size);
      live.push_back(i);
    }
    if (scratch_ > std::numeric_limits<std::int32_t>::max())
      throw value_error("export_header: the network's values do not fit 2^31 - 1 numbers");
  }
  [[nodiscard]] std::string pointer(std::size_t value) const {
    const std::size_t v = root_[value];
    if (v == 0) return "x";
    return v == root_[net_.result] ? "y" : concat("s + ", place_[v]);
  }

  [[nodiscard]] static std::string text(index_t n) { return std::to_string(n); }
  /// A literal of the network's scalar.
  [[nodiscard]] std::string literal(double x) const {
    if (!is_finite(x))
      throw value_error("export_header: the network has parameters that are not finite");
    char digits[32];
    char* const end = digits + sizeof digits;
    std::string t(digits, net_.is_double ? std::to_chars(digits, end, x).ptr
                                         : std::to_chars(digits, end, static_cast<float>(x)).ptr);
    if (t.find_first_of(".e") == std::string::npos) t += ".0";
    return net_.is_double ? t : t + "f";
  }
  /// An array of constants, and its name.
  std::string array(const std::vector<double>& values) {
    const std::string name = concat("c", arrays_++);
    std::string line = "\n   ";
    constants_ += concat("\nconst real ", name, "[", values.size(), "] = {");
    for (const double x : values) {
      const std::string t = literal(x);
      if (line.size() + t.size() + 2 > 100) {
        constants_ += line;
        line = "\n   ";
      }
      line += " " + t + ",";
    }
    constants_ += line + "\n};\n";
    return name;
  }
  std::string array(const exported_step& s, const char* name) {
    return array(net_.values(s, name));
  }
  std::string array_or_null(const exported_step& s, const char* name) {
    return net_.has(s, name) ? array(s, name) : "static_cast<const real*>(0)";
  }

  void call(std::string_view function, const strings& arguments) {
    for (const header_function& f : header_functions)
      if (f.name == function) used_.insert(f.name);
    body_ += concat("  ", function, "(");
    for (std::size_t i = 0; i < arguments.size(); ++i) body_ += (i == 0 ? "" : ", ") + arguments[i];
    body_ += ");\n";
  }
  /// Declares a window, and its name.
  std::string add_window(const window& w) {
    const std::string name = concat("w", windows_++);
    const window_axis &h = w.height, &v = w.width;
    body_ += concat("  const window ", name, " = {", h.size, ", ", v.size, ", ", w.channels, ", ",
                    h.kernel, ", ", v.kernel, ", ", h.stride, ", ", v.stride, ", ", h.dilation,
                    ", ", v.dilation, ", ", h.before, ", ", v.before, ", ", h.count(), ", ",
                    v.count(), "};\n");
    return name;
  }

  void write(const exported_step& s, const std::string& y) {
    if (is_view(s)) return;
    const description& d = s.layer;
    const std::string& kind = d.kind;
    const std::string x = pointer(s.from[0]);
    const index_t channels = s.in.last();
    const std::string n = text(s.in.size());
    if (kind == "dense") {
      call(kind, {x, y, text(s.in.positions()), text(channels), text(s.out.last()),
                  array(s, "weight"), array(s, "bias")});
    } else if (kind == "activation") {
      activate(s, x, y);
    } else if (kind == "conv2d" || kind == "conv1d" || kind == "conv_transpose2d") {
      const bool transposed = kind == "conv_transpose2d";
      const std::string w = add_window(window_of_convolution(s));
      call(transposed ? "convolve_transposed" : "convolve",
           {x, y, w, text(transposed ? channels : s.out.last()),
            std::string(text_or(d, "groups", "1")), array(s, "weight"), array_or_null(s, "bias")});
    } else if (kind == "max_pool" || kind == "average_pool") {
      strings arguments{x, y, add_window(window_of(s, extent2d_of(d, "kernel", 1)))};
      if (kind == "average_pool")
        arguments.push_back(flag_of(d, "count_padding", true) ? "true" : "false");
      call(kind, arguments);
    } else if (kind == "global_max_pool" || kind == "global_average_pool") {
      const bool max = kind == "global_max_pool";
      const index_t positions = s.in.positions();
      strings arguments{x, y, add_window({{}, {positions, positions}, channels})};
      if (!max) arguments.push_back("true");
      call(max ? "max_pool" : "average_pool", arguments);
    } else if (kind == "upsample" || kind == "pad" || kind == "crop" || kind == "shortcut") {
      resize(s, x, y);
    } else if (kind == "batch_norm") {
      batch_norm(s, x, y);
    } else if (kind == "layer_norm" || kind == "rms_norm") {
      const index_t size = flag_of(d, "all_axes", false) ? s.in.size() : channels;
      normalize(s, x, y, s.in.size() / size, 1, 1, size);
    } else if (kind == "group_norm" || kind == "instance_norm") {
      const index_t groups = kind == "group_norm" ? extent_of(d, "groups") : channels;
      normalize(s, x, y, 1, s.in.positions(), groups, channels / groups);
    } else if (kind == "local_response_norm") {
      const index_t size = extent_of(d, "size");
      call("respond",
           {x, y, text(s.in.positions()), text(channels), text(size / 2), text((size - 1) / 2),
            literal(constant_of(d, "alpha") / static_cast<double>(size)),
            literal(constant_of(d, "beta")), literal(constant_of(d, "k"))});
    } else if (kind == "prelu") {
      call("rectify", {x, y, n, text(static_cast<index_t>(net_.values(s, "weight").size())),
                       array(s, "weight")});
    } else if (kind == "add") {
      call(kind, {x, pointer(s.from[1]), y, n});
    } else if (kind == "concat") {
      index_t first = 0;
      for (const std::size_t i : s.from) {
        const index_t c = net_.shape_of_value(i).last();
        call("copy",
             {pointer(i), y, text(s.out.positions()), text(c), text(first), text(s.out.last())});
        first += c;
      }
    } else {
      refuse_step(s, "a header", "there are no loops for it; leave it out of the exported network");
    }
  }

  void activate(const exported_step& s, const std::string& x, const std::string& y) {
    const auto known = std::find(names_.begin(), names_.end(), s.layer.activation);
    const std::string f = concat("f", known - names_.begin());
    if (known == names_.end()) {
      const trace t = trace_of_activation(s, options_.activations, "a header");
      const std::string lines = net_.is_double ? t.print<double>() : t.print<float>();
      names_.push_back(s.layer.activation);
      activations_ += concat("\n// ", s.layer.activation, "\ninline real ", f,
                             "(real x0) {\n  using namespace std;\n", with_decimals(lines),
                             "  return ", t.result(0), ";\n}\n");
    }
    body_ += concat("  for (int i = 0; i < ", s.in.size(), "; ++i) (", y, ")[i] = ", f, "((", x,
                    ")[i]);\n");
  }
  /// The lines with decimal literals in place of hexadecimal ones, which C++11 has not.
  [[nodiscard]] std::string with_decimals(const std::string& lines) const {
    std::string out;
    std::size_t at = 0;
    for (auto hex = lines.find("0x"); hex != std::string::npos; hex = lines.find("0x", at)) {
      char* end = nullptr;
      const double value = std::strtod(lines.c_str() + hex, &end);
      out += lines.substr(at, hex - at) + literal(value);
      at = static_cast<std::size_t>(end - lines.c_str()) + (net_.is_double ? 0 : 1);  // its f
    }
    return out + lines.substr(at);
  }

  void resize(const exported_step& s, const std::string& x, const std::string& y) {
    const description& d = s.layer;
    const auto height = [](const shape& e) { return e.rank() == 3 ? e[0] : 1; };
    const auto width = [](const shape& e) { return e.rank() > 1 ? e[e.rank() - 2] : 1; };
    const auto side = [&](const char* name) { return extent_or_0(d, name); };
    strings all{x, y, text(height(s.in)), text(width(s.in)), text(s.in.last())};
    if (d.kind == "upsample") {
      const extent2d f = extent2d_of(d, "factor", 1);
      all.push_back(text(s.in.rank() == 3 ? f.h : 1));
      all.push_back(text(f.w));
      return call(text_or(d, "mode", "nearest") == "bilinear" ? "interpolate" : "enlarge", all);
    }
    const index_t sign = d.kind == "crop" ? -1 : 1;
    const index_t top = s.in.rank() == 3 ? sign * side("top") : 0;
    for (const index_t i : {height(s.out), width(s.out), s.out.last(), top, sign * side("left"),
                            d.kind == "shortcut" ? extent_of(d, "stride") : 1})
      all.push_back(text(i));
    call("place", all);
  }

  void batch_norm(const exported_step& s, const std::string& x, const std::string& y) {
    const std::vector<double>& mean = net_.values(s, "running_mean");
    const std::vector<double>& variance = net_.values(s, "running_var");
    std::vector<double> factor, shift;
    for (std::size_t c = 0; c < mean.size(); ++c) {
      const double inverse = 1 / std::sqrt(variance[c] + constant_of(s.layer, "eps"));
      factor.push_back(net_.has(s, "weight") ? net_.values(s, "weight")[c] * inverse : inverse);
      shift.push_back((net_.has(s, "bias") ? net_.values(s, "bias")[c] : 0) - mean[c] * factor[c]);
    }
    call("scale", {x, y, text(s.in.size()), text(s.in.last()), array(factor), array(shift)});
  }
  void normalize(const exported_step& s, const std::string& x, const std::string& y, index_t outer,
                 index_t positions, index_t groups, index_t size) {
    call("normalize",
         {x, y, text(outer), text(positions), text(groups), text(size),
          literal(constant_of(s.layer, "eps")), s.layer.kind == "rms_norm" ? "false" : "true"});
    if (net_.has(s, "weight"))
      call("scale",
           {y, y, text(s.in.size()), text(static_cast<index_t>(net_.values(s, "weight").size())),
            array(s, "weight"), array_or_null(s, "bias")});
  }

  const exported_network& net_;
  const header_options& options_;
  std::vector<std::size_t> root_;  // of each value: the one whose memory it is
  std::vector<index_t> place_;     // of each value in the scratch memory
  index_t scratch_ = 0;
  std::set<std::string_view> used_;  // functions
  std::vector<std::string> names_;   // of activations
  std::string activations_, constants_, body_;
  int arrays_ = 0;
  int windows_ = 0;
};

}  // namespace detail

/// Writes the network as a header. Throws value_error, naming the layer, if one cannot be written
/// (embedding, lambda_layer, one of the program's own), if a parameter is not finite or if the name
/// is no identifier; io_error if the file cannot be written.
template <class Network>
void export_header(const Network& net, const std::string& path,
                   const header_options& options = {}) {
  const detail::exported_network exported(net);
  const std::string text = detail::header_writer(exported, options).text_of_header();
  const std::span<const std::byte> parts[] = {std::as_bytes(std::span(text))};
  write_file_atomically(path, parts);
}

}  // namespace chainrule

#endif  // CHAINRULE_IO_HEADER_EXPORT_HPP
