/// \file
/// `normalization`: the mean and the standard deviation of each channel, and what is made of them.
///
///     const normalization n = measure_channels(images);   // of pixels / 255
///     const dataset<cpu> train(be, images, n);             // (x / 255 - mean) / deviation
///     const dataset<cpu> test(be, test_images, n);         // the numbers of the training images
///
/// Published numbers are given by hand: {1.0 / 255, {0.1307}, {0.3081}} are those of MNIST. See
/// also train/dataset.hpp, which applies them when a batch is gathered.
#ifndef CHAINRULE_DATA_NORMALIZATION_HPP
#define CHAINRULE_DATA_NORMALIZATION_HPP

#include <cmath>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include "chainrule/core/error.hpp"
#include "chainrule/core/finite.hpp"
#include "chainrule/core/plain_vector.hpp"
#include "chainrule/core/view.hpp"
#include "chainrule/data/images.hpp"

namespace chainrule {

/// What is done to the elements of samples: (scale x - mean) / deviation, with the mean and the
/// deviation of the element's channel. Without a mean: scale x.
struct normalization {
  /// Factor of each element before mean and deviation are applied.
  double scale = 1;
  detail::plain_vector<double> mean;       // of scaled elements; one for each channel, or one for all
  detail::plain_vector<double> deviation;  // as many

  /// Throws shape_error if there are not as many deviations as means, value_error if a number is
  /// not finite or a deviation not positive.
  normalization(double scale_of_elements = 1,  // NOLINT: implicit
                detail::plain_vector<double> means = {},
                detail::plain_vector<double> deviations = {})
      : scale(scale_of_elements), mean(std::move(means)), deviation(std::move(deviations)) {
    check();
  }

  /// Throws as the constructor does.
  void check() const {
    if (!detail::is_finite(scale))
      detail::fail<value_error>("a normalization needs a finite scale, got ", scale);
    if (mean.size() != deviation.size())
      detail::fail<shape_error>("a normalization needs a deviation for each mean, got ",
                                mean.size(), " means and ", deviation.size(), " deviations");
    for (std::size_t i = 0; i < mean.size(); ++i)
      if (!detail::is_finite(mean[i]) || !detail::is_finite(deviation[i]) || !(deviation[i] > 0))
        detail::fail<value_error>(
            "a normalization needs finite means and positive deviations, got ", mean[i], " and ",
            deviation[i], " for channel ", i, "; a channel that is constant may have deviation 1");
  }
};

/// The mean and the standard deviation (biased: divided by the number of elements) of each channel
/// of scale * samples, n × features with the channels last; computed in double. Throws shape_error
/// unless features are a multiple of `channels`, value_error if there are no samples or if a
/// channel is constant.
template <class T>
[[nodiscard]] normalization measure_channels(matrix_view<T> samples, index_t channels,
                                             double scale = 1) {
  if (channels < 1 || samples.cols() % channels != 0)
    detail::fail<shape_error>("samples of ", samples.cols(), " features do not have ", channels,
                              " channels");
  if (samples.empty())
    detail::fail<value_error>(
        "there are no samples to compute means and deviations of channels from");
  const auto size = static_cast<std::size_t>(channels);
  // For all channels: the mean of f(element, channel).
  const auto mean_of = [&](const auto& f) {
    std::vector<double> mean(size);
    for (index_t i = 0; i < samples.rows(); ++i)
      for (const T *x = &samples(i, 0), *end = x + samples.cols(); x < end; x += channels)
        for (std::size_t k = 0; k < size; ++k) mean[k] += f(scale * static_cast<double>(x[k]), k);
    const auto positions = static_cast<double>(samples.size() / channels);
    for (double& m : mean) m /= positions;
    return mean;
  };
  // The rounding of a mean would give a channel of equal elements a deviation above 0.
  std::vector<char> varies(size);
  for (index_t i = 0; i < samples.rows(); ++i)
    for (index_t j = 0; j < samples.cols(); ++j)
      if (samples(i, j) != samples(0, j % channels))
        varies[static_cast<std::size_t>(j % channels)] = 1;
  for (std::size_t k = 0; k < size; ++k)
    if (varies[k] == 0)
      detail::fail<value_error>("channel ", k,
                                " is constant, so that it has no deviation; "
                                "give normalization means and deviations of your own");
  const std::vector<double> mean = mean_of([](double x, std::size_t) { return x; });
  std::vector<double> deviation =
      mean_of([&](double x, std::size_t k) { return (x - mean[k]) * (x - mean[k]); });
  for (double& d : deviation) d = std::sqrt(d);
  return {scale, mean, deviation};
}
/// Mean and deviation of each channel over all pixels of the images.
[[nodiscard]] inline normalization measure_channels(const labelled_images& images,
                                                    double scale = 1.0 / 255) {
  images.check();
  return measure_channels(images.view(), images.channels, scale);
}

}  // namespace chainrule

#endif  // CHAINRULE_DATA_NORMALIZATION_HPP
