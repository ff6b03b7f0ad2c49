// Images with channels, normalized and augmented, from a data set through the loader to fit.
#include "chainrule/data/augmentation.hpp"

#include <cstdint>
#include <vector>

#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "conformance/framed.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace augmentation_test {

using namespace batches;

namespace {

// On a device the host prepares augmented batches, so that inputs stay with it; on the CPU the
// option has no effect.
constexpr dataset_options on_host{.inputs = residence::streamed};
constexpr augmentation all{.flip = true, .crop = 0.7, .rotate = 20, .shift = 2, .erase = 0.5};

/// `count` random images of 6 x 5 pixels.
labelled_images pictures(index_t count, index_t channels = 1) {
  labelled_images images{"pictures", count, 6, 5, 3, {}, {}, channels};
  random_stream random(4);
  for (index_t i = 0; i < count * images.features(); ++i)
    images.pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
  for (index_t i = 0; i < count; ++i) images.labels.push_back(static_cast<std::uint8_t>(i % 3));
  images.check();
  return images;
}

/// The inputs of an epoch, by the number of the sample, which is its target here.
template <class B>
std::vector<scalar_t<B>> epoch_of(const B& be, const dataset<B>& data,
                                  const loader_options& options, std::uint64_t epoch) {
  data_loader<B> loader(be, data, options);
  std::vector<scalar_t<B>> found(static_cast<std::size_t>(data.count() * data.features()));
  for (loader.begin_epoch(epoch); loader.next();) {
    be.map(fn::fill{not_a_number}, loader.inputs());
    // In two parts, as micro-batches are.
    const index_t half = loader.size() / 2;
    loader.load({half, loader.size() - half});
    if (half > 0) loader.load({0, half});
    const auto x = to_host(be, const_matrix<B>(loader.inputs()));
    const auto t = to_host(be, const_matrix<B>(loader.targets()));
    for (std::size_t i = 0; i < t.size(); ++i)
      std::copy_n(x.begin() + static_cast<index_t>(i) * data.features(), data.features(),
                  found.begin() + static_cast<index_t>(t[i]) * data.features());
  }
  return found;
}

/// A data set of these images whose target is the number of the sample.
template <class B>
dataset<B> numbered(const B& be, const labelled_images& images, const normalization& scale,
                    const dataset_options& options = on_host) {
  std::vector<int> numbers;
  for (index_t i = 0; i < images.count; ++i) numbers.push_back(static_cast<int>(i));
  return {be,      images.view(),
          numbers, static_cast<int>(images.count),
          scale,   {options.inputs, options.fraction_of_memory, images.sample_shape()}};
}

/// Parameters and metrics of some epochs of training.
template <class B>
std::vector<double> trained(trainer<B>& t, const dataset<B>& data, const fit_options<B>& options) {
  std::vector<double> found;
  for (const epoch_record& r : t.fit(data, options).epochs) {
    found.push_back(r.training.loss);
    found.push_back(r.training.accuracy);
  }
  const auto parameters = doubles(t.net().backend(), const_matrix<B>(t.net().parameters().all()));
  found.insert(found.end(), parameters.begin(), parameters.end());
  return found;
}

template <class B>
auto small_network(const B& be, index_t inputs) {
  network net{be, dense{inputs, 8, relu{}}, dense{8, 3}};
  net.initialize(2);
  return net;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a data set knows the shape of its samples", "", backends) {
  using B = TestType;
  const B be;
  const labelled_images images = pictures(4, 3);
  const dataset<B> data(be, images);
  CHECK(data.sample_shape() == shape{6, 5, 3});
  CHECK(data.features() == 90);
  CHECK(dataset<B>(be, images.view()).sample_shape() == shape{90});
  CHECK(dataset<B>(be, images.view(), 1, {.sample = {18, 5}}).sample_shape() == shape{18, 5});
  CHECK(dataset<B>(be, images, 1, {.sample = {90}}).sample_shape() == shape{90});
  CHECK(dataset<B>(be, labelled_images{"none", 0, 6, 5, 1, {}, {}}.view()).count() == 0);
  CHECK(complaint<shape_error>([&] {
          dataset<B>(be, images.view(), 1, {.sample = {6, 5}});
        }) == "samples of shape 6x5 have 30 features, those of the data set have 90");
}

TEMPLATE_LIST_TEST_CASE("inputs are normalized when they are gathered", "", backends) {
  using B = TestType;
  const B be;
  const labelled_images images = pictures(7, 3);
  for (const residence where : {residence::resident, residence::streamed}) {
    // Each channel has mean 0 and deviation 1 then, but for rounding.
    const normalization n = measure_channels(images);
    const auto x = epoch_of(be, numbered(be, images, n, {.inputs = where}), {.batch = 3}, 0);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double expected = (images.pixels[i] / 255.0 - n.mean[i % 3]) / n.deviation[i % 3];
      CHECK(std::fabs(static_cast<double>(x[i]) - expected) <= 8 * epsilon<B>);
    }
    // One mean for all elements; and a scale alone, as without a normalization.
    const auto one = epoch_of(be, numbered(be, images, {0.5, {10}, {4}}, {.inputs = where}), {}, 0);
    const auto raw = epoch_of(be, numbered(be, images, 0.5, {.inputs = where}), {}, 0);
    for (std::size_t i = 0; i < x.size(); ++i) {
      CHECK(one[i] == static_cast<scalar_t<B>>((images.pixels[i] * 0.5 - 10) / 4));
      CHECK(raw[i] == static_cast<scalar_t<B>>(images.pixels[i] * 0.5));
    }
    // Each feature has its own in a table.
    const std::vector<scalar_t<B>> table{1, 10, 3, 30};
    const dataset<B> rows(be, matrix_view(table.data(), 2, 2), std::vector<int>{0, 1}, 2,
                          {1, {2, 20}, {1, 10}}, {.inputs = where});
    const auto got = epoch_of(be, rows, {}, 0);
    for (std::size_t i = 0; i < 4; ++i)
      CHECK(std::fabs(static_cast<double>(got[i]) - (i < 2 ? -1 : 1)) <= 8 * epsilon<B>);
  }
  CHECK(complaint<shape_error>([&] {
          dataset<B>(be, images, {1, {0, 0}, {1, 1}});
        }) ==
        "a normalization of 2 channels does not suit samples of shape 6x5x3, whose last extent is "
        "the channels");
}

TEMPLATE_LIST_TEST_CASE("a loader changes each sample as it is drawn for seed, epoch and sample",
                        "", backends) {
  using B = TestType;
  const B be;
  const labelled_images images = pictures(23, 2);
  const dataset<B> data = numbered(be, images, {1, {2, 4}, {2, 4}});
  const auto at = [&](const loader_options& o, std::uint64_t epoch) {
    return epoch_of(be, data, o, epoch);
  };
  const auto found = at({.batch = 5, .seed = 9, .augment = all}, 1);

  const detail::image_augmenter augmenter(all, images.sample_shape(), 9);
  std::vector<scalar_t<B>> expected;
  for (std::int32_t i = 0; i < 23; ++i) {
    std::vector<std::uint8_t> to(60);
    augmenter.apply(augmenter.draw(1, i), images.pixels.data() + 60 * i, to.data());
    for (std::size_t j = 0; j < 60; ++j)
      expected.push_back(static_cast<scalar_t<B>>(to[j] / (j % 2 == 0 ? 2.0 : 4.0) - 1));
  }
  CHECK(found == expected);

  // Whatever the batches and their order, and again.
  CHECK(at({.batch = 23, .seed = 9, .shuffle = false, .augment = all}, 1) == found);
  CHECK(at({.batch = 4, .seed = 9, .merge_last_batch = true, .augment = all}, 1) == found);
  CHECK(at({.batch = 5, .seed = 9, .augment = all}, 2) != found);
  CHECK(at({.batch = 5, .seed = 8, .augment = all}, 1) != found);
  // No change gives the samples.
  CHECK(at({.seed = 9, .augment = {.outside = border::edge}}, 1) == at({}, 0));

  // Scalars are changed as bytes are, but not rounded: a flip and a shift give the same.
  const augmentation moves{.flip = true, .shift = 1};
  const std::vector<scalar_t<B>> numbers(images.pixels.begin(), images.pixels.end());
  std::vector<int> targets;
  for (int i = 0; i < 23; ++i) targets.push_back(i);
  const dataset<B> scalars(be, matrix_view(numbers.data(), 23, 60), targets, 23,
                           {1, {2, 4}, {2, 4}},
                           {.inputs = residence::streamed, .sample = images.sample_shape()});
  CHECK(epoch_of(be, scalars, {.batch = 5, .augment = moves}, 0) ==
        at({.batch = 5, .augment = moves}, 0));
}

TEMPLATE_LIST_TEST_CASE("fit augments its batches, evaluation does not", "", backends) {
  using B = TestType;
  const B be;
  const labelled_images images = pictures(60);
  const dataset<B> data(be, images, 1.0 / 255, on_host);
  const fit_options<B> plain{.epochs = 2, .batch = 16, .seed = 3, .validation = &data};
  fit_options<B> augmented = plain;
  augmented.augment = all;
  const auto result = [&](const fit_options<B>& o) {
    auto net = small_network(be, 30);
    trainer t{net, softmax_cross_entropy{}, momentum{.rate = 0.1}};
    return trained(t, data, o);
  };
  CHECK(same_bits(result(augmented), result(augmented)));
  CHECK_FALSE(same_bits(result(augmented), result(plain)));
  fit_options<B> none = plain;
  none.augment = {.outside = border::edge};
  CHECK(same_bits(result(none), result(plain)));

  // A rate of 0 leaves the network as it is: what is measured are the images themselves, or what
  // was made of them.
  auto net = small_network(be, 30);
  trainer t{net, softmax_cross_entropy{}, sgd{0.0}};
  const metrics before = t.evaluate(data);
  const history h = t.fit(data, augmented);
  CHECK(h.epochs[0].validation.loss == before.loss);
  CHECK(t.evaluate(data).loss == before.loss);
  CHECK(h.epochs[0].training.loss != h.epochs[1].training.loss);
  CHECK(std::fabs(t.fit(data, plain).epochs[0].training.loss - before.loss) <= 100 * epsilon<B>);
}

TEMPLATE_LIST_TEST_CASE("a training with augmentation is resumed to the bit", "", backends) {
  using B = TestType;
  const B be;
  const labelled_images images = pictures(50);
  const dataset<B> data(be, images, 1.0 / 255, on_host);
  const auto options = [](int epochs) {
    return fit_options<B>{.epochs = epochs, .batch = 16, .seed = 3, .augment = all};
  };
  auto whole = small_network(be, 30);
  trainer all_epochs{whole, softmax_cross_entropy{}, adam{0.01}};
  const std::vector<double> expected = trained(all_epochs, data, options(3));

  auto first = small_network(be, 30);
  trainer one{first, softmax_cross_entropy{}, adam{0.01}};
  one.fit(data, options(1));
  auto second = small_network(be, 30);
  trainer rest{second, softmax_cross_entropy{}, adam{0.01}};
  rest.resume_from(one);
  const std::vector<double> found = trained(rest, data, options(2));
  // All but the figures of the first epoch.
  CHECK(same_bits(found, std::vector<double>(expected.begin() + 2, expected.end())));
}

TEMPLATE_LIST_TEST_CASE("what cannot be augmented is refused", "", backends) {
  using B = TestType;
  const B be;
  const labelled_images images = pictures(4);
  auto net = small_network(be, 30);
  trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  const auto refused = [&](const dataset<B>& data, const augmentation& a) {
    return complaint<value_error>([&] { t.fit(data, {.epochs = 1, .augment = a}); });
  };
  const dataset<B> good(be, images, 1.0 / 255, on_host);
  CHECK(refused(good, {.flip = true}).empty());
  CHECK(refused(good, {.erase = 2}) == "augmentation: erase is a probability in [0, 1], got 2");
  const dataset<B> rows(be, images.view(), images.labels, 3, 1.0 / 255, on_host);
  CHECK(refused(rows, {.flip = true}) ==
        "augmentation needs samples of height x width x channels, these are 30; give the data set "
        "their shape by dataset_options::sample");
  const dataset<B> resident(be, images, 1.0 / 255, {.inputs = residence::resident});
  CHECK(refused(resident, {.flip = true}) ==
        (conformance::host_memory<B>
             ? ""
             : "augmentation is done by the host, the inputs of this data set lie in the memory of "
               "the device; make it with {.inputs = residence::streamed}"));
  const std::vector<std::int32_t> tokens(60);
  const dataset<B> indices(be, matrix_view(tokens.data(), 2, 30), std::vector<int>{0, 1}, 2, 1,
                           {.inputs = residence::streamed, .sample = {6, 5, 1}});
  CHECK(complaint<value_error>([&] { data_loader<B>(be, indices, {.augment = {.flip = true}}); }) ==
        "augmentation changes images, the inputs of this data set are indices");
}

}  // namespace augmentation_test
