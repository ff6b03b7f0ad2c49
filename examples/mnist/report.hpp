/// \file
/// The page of a training: curves, confusion matrix, the test images that were read worst.
#ifndef CHAINRULE_EXAMPLES_MNIST_REPORT_HPP
#define CHAINRULE_EXAMPLES_MNIST_REPORT_HPP

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "chainrule/io/image_grid.hpp"
#include "chainrule/network/summary.hpp"
#include "chainrule/train/report.hpp"
#include "model.hpp"
#include "setting.hpp"

/// The 16 images whose class has the least probability, with their class and the one predicted.
inline std::string worst_images(const chainrule::trainer<backend_in_use>& t,
                                const chainrule::dataset<backend_in_use>& test,
                                const chainrule::labelled_images& images,
                                const std::vector<int>& predicted) {
  using namespace chainrule;
  const tensor<backend_in_use> y = t.predict_proba(test);
  const auto p = to_host(t.net().backend(), const_matrix<backend_in_use>(y.view()));
  std::vector<std::pair<float, std::size_t>> order;
  for (std::size_t i = 0; i < predicted.size(); ++i)
    order.emplace_back(p[i * static_cast<std::size_t>(y.cols()) + images.labels[i]], i);
  std::sort(order.begin(), order.end());
  order.resize(std::min<std::size_t>(order.size(), 16));
  std::vector<std::vector<float>> pixels;
  std::vector<grid_image> grid;
  for (const auto& [probability, i] : order) {
    const auto row = images.view().middle_rows(static_cast<index_t>(i), 1);
    pixels.emplace_back(row.data(), row.data() + row.cols());
  }
  for (std::size_t k = 0; k < pixels.size(); ++k) {
    const std::size_t i = order[k].second;
    grid.push_back({pixels[k], images.height, images.width,
                    detail::concat(int{images.labels[i]}, ", not ", predicted[i])});
  }
  return image_grid(grid, {.title = "Test images read worst: true class, not the predicted one"});
}

/// Writes the page. Throws io_error.
inline void write_report_of(const chainrule::history& h, const options& o,
                            const chainrule::trainer<backend_in_use>& t,
                            const chainrule::dataset<backend_in_use>& test,
                            const chainrule::labelled_images& images,
                            const std::vector<int>& predicted) {
  using namespace chainrule;
  const confusion_matrix confusion(images.labels, predicted, images.classes);
  report_options page{
      .title = "Training of mnist",
      .summary = summary(t.net()),
      .settings = {{"data", o.data.empty() ? "synthetic digits" : o.data},
                   {"backend", backend_in_words(t.net().backend())},
                   {"loss, optimizer", o.loss + ", " + o.optimizer},
                   {"batch", std::to_string(o.batch)},
                   {"seed", std::to_string(o.seed)},
                   {"accuracy on test images", detail::format("%.4f", confusion.accuracy())}},
      .confusion = &confusion};
  if (o.loss == "softmax") page.charts.push_back(worst_images(t, test, images, predicted));
  write_report(o.report, h, page);
}

#endif  // CHAINRULE_EXAMPLES_MNIST_REPORT_HPP
