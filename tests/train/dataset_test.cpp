// Samples and targets: what a batch gathers, and what does not go together.
#include "chainrule/train/dataset.hpp"

#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/embedding.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/data_loader.hpp"
#include "chainrule/train/trainer.hpp"
#include "conformance/framed.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace dataset_test {

using namespace batches;

namespace {

/// The samples of those numbers and their targets.
template <class B>
struct gathered {
  gathered(const B& be, const dataset<B>& data, const std::vector<std::int32_t>& numbers)
      : x_(be, static_cast<index_t>(numbers.size()), data.features()),
        t_(be, static_cast<index_t>(numbers.size()), data.target_cols()) {
    const auto count = static_cast<index_t>(numbers.size());
    const auto order = be.template allocate<std::int32_t>(count);
    be.upload(order.view(), matrix_view<const std::int32_t>(numbers.data(), 1, count));
    data.gather(order.view(), x_.view(), t_.view());
    inputs = doubles(be, x_);
    targets = doubles(be, t_);
  }
  std::vector<double> inputs;
  std::vector<double> targets;

 private:
  tensor<B> x_, t_;
};

const std::vector<double> six = {1, 2, 3, 4, 5, 6};

template <class T>
matrix_view<const T> view(const std::vector<T>& v, index_t rows, index_t cols) {
  return {v.data(), rows, cols};
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("images: bytes are scaled when they are gathered", "", backends) {
  using B = TestType;
  const B be;
  const labelled_images images{"test", 3, 1, 2, 4, {0, 255, 51, 102, 255, 153}, {3, 0, 1}};
  const dataset<B> data(be, images);
  CHECK(data.count() == 3);
  CHECK(data.features() == 2);
  CHECK(data.classes() == 4);
  CHECK(data.target_cols() == 1);
  CHECK(doubles(be, data.targets()) == std::vector<double>{3, 0, 1});
  const gathered<B> batch(be, data, {2, 0, 2});
  CHECK(batch.targets == std::vector<double>{1, 3, 1});
  const std::vector<double> expected = {1, 0.6, 0, 1, 1, 0.6};
  CHECK(distance(batch.inputs, expected) <= 2 * epsilon<B>);

  const dataset<B> raw(be, images, 1);
  CHECK(gathered<B>(be, raw, {1}).inputs == std::vector<double>{51, 102});
}

TEST_CASE("numbers with classes, and with values") {
  using B = tested<double>;
  const B be;
  const dataset<B> classes(be, view(six, 3, 2), std::vector<std::uint8_t>{1, 0, 1}, 2, 10);
  CHECK(gathered<B>(be, classes, {1, 2}).inputs == std::vector<double>{30, 40, 50, 60});
  CHECK(gathered<B>(be, classes, {1, 2}).targets == std::vector<double>{0, 1});

  const dataset<B> values(be, view(six, 2, 3), view(six, 2, 2));
  CHECK(values.classes() == 0);
  CHECK(values.target_cols() == 2);
  CHECK(gathered<B>(be, values, {1}).inputs == std::vector<double>{4, 5, 6});
  CHECK(gathered<B>(be, values, {1, 0}).targets == std::vector<double>{3, 4, 1, 2});

  const std::vector<std::uint8_t> bytes = {0, 1, 2, 3};
  const dataset<B> from_bytes(be, view(bytes, 2, 2), view(six, 2, 1), 0.5);
  CHECK(gathered<B>(be, from_bytes, {1}).inputs == std::vector<double>{1, 1.5});
}

TEMPLATE_TEST_CASE("labels may be of any arithmetic type, and must be whole numbers", "", float,
                   double, int, std::size_t, std::int64_t, std::uint8_t, signed char, bool) {
  using B = tested<double>;
  const B be;
  const auto make = [&](TestType label) {
    return dataset<B>(be, view(six, 3, 2), std::vector<TestType>{0, label, 1}, 2);
  };
  CHECK(doubles(be, make(1).targets()) == std::vector<double>{0, 1, 1});

  // Where the type has them, numbers that are no classes.
  const std::string label = "the label of sample 1 is ";
  const auto refused = [&](TestType l, const std::string& rest) {
    CHECK(complaint<value_error>([&] { make(l); }) == label + rest);
  };
  if constexpr (std::is_floating_point_v<TestType>) {
    const std::string expected = ", expected a whole number from 0 to 1";
    refused(TestType(0.5), "0.5" + expected);
    refused(TestType(-0.5), "-0.5" + expected);
    refused(TestType(1.9), "1.9" + expected);
    refused(TestType(2), "2" + expected);
    refused(TestType(not_a_number), "nan" + expected);
    refused(TestType(inf), "inf" + expected);
    refused(TestType(4294967296.0), "4.29497e+09" + expected);  // 2^32, whose low bits are 0
  } else if constexpr (sizeof(TestType) == 8) {
    refused(TestType((std::int64_t{1} << 32U) + 1), "4294967297, expected 0 to 1");
  } else if constexpr (!std::same_as<TestType, bool>) {
    refused(2, "2, expected 0 to 1");
  }
}

TEST_CASE("labels may be an enumeration, and need a class") {
  using B = tested<double>;
  const B be;
  enum class colour : unsigned char { red, green };
  const std::vector<colour> colours{colour::green, colour::red};
  CHECK(doubles(be, dataset<B>(be, view(six, 2, 3), colours, 2).targets()) ==
        std::vector<double>{1, 0});
  CHECK(complaint<value_error>([&] { dataset<B>(be, view(six, 2, 3), colours, 1); }) ==
        "the label of sample 0 is 1, expected 0 to 0");
  for (const int classes : {0, -2})
    CHECK(complaint<value_error>([&] { dataset<B>(be, view(six, 2, 3), colours, classes); }) ==
          "a data set with labels needs at least 1 class, got " + std::to_string(classes));
}

TEST_CASE("views that may be written are read, and the extents of a view are enough") {
  using B = tested<double>;
  const B be;
  std::vector<double> x = six;
  std::vector<std::uint8_t> bytes = {0, 1, 2, 3};
  const std::vector<int> labels{1, 0};
  const dataset<B> a(be, matrix_view(x.data(), 2, 3), labels, 2);
  const dataset<B> b(be, matrix_view(x.data(), 2, 3), matrix_view(x.data(), 2, 1));
  const dataset<B> c(be, matrix_view(bytes.data(), 2, 2), labels, 2);
  const dataset<B> d(be, matrix_view(six.data(), 2, 2, 3), labels, 2);  // of const elements
  CHECK(gathered<B>(be, a, {1}).inputs == std::vector<double>{4, 5, 6});
  CHECK(gathered<B>(be, b, {1}).targets == std::vector<double>{2});
  CHECK(gathered<B>(be, c, {1}).inputs == std::vector<double>{2, 3});
  CHECK(gathered<B>(be, d, {1}).inputs == std::vector<double>{4, 5});
  const auto numbers = be.allocate<std::int32_t>(2);
  std::vector<std::int32_t> host{1, 0};
  be.upload(numbers.view(), matrix_view(host.data(), 1, 2));
  be.download(matrix_view(host.data(), 1, 2), numbers.view());
  CHECK(host == std::vector<std::int32_t>{1, 0});
}

TEST_CASE("rows of a larger matrix are samples too") {
  using B = tested<double>;
  const B be;
  // Columns 1 and 2 of a 2 x 3 matrix; the targets are column 0.
  const dataset<B> data(be, view(six, 2, 3).block(0, 1, 2, 2), view(six, 2, 3).block(0, 0, 2, 1));
  CHECK(gathered<B>(be, data, {1, 0}).inputs == std::vector<double>{5, 6, 2, 3});
  CHECK(gathered<B>(be, data, {1, 0}).targets == std::vector<double>{4, 1});
}

TEST_CASE("the targets are the data set's own, inputs in the backend's memory are not copied") {
  using B = tested<double>;
  const B be;
  std::vector<double> x = six;
  std::vector<double> t = {7, 8};
  const dataset<B> data(be, view(x, 2, 3), view(t, 2, 1));
  x[0] = 100;
  t[0] = 100;
  const double first = conformance::host_memory<B> ? 100 : 1;
  CHECK(gathered<B>(be, data, {0}).inputs == std::vector<double>{first, 2, 3});
  CHECK(gathered<B>(be, data, {0}).targets == std::vector<double>{7});
}

TEMPLATE_LIST_TEST_CASE("streamed inputs give the same batches and the same training", "",
                        backends) {
  using B = TestType;
  const B be;
  std::vector<std::uint8_t> pixels;
  std::vector<int> labels;
  for (int i = 0; i < 11; ++i) {
    for (int j = 0; j < 3; ++j) pixels.push_back(static_cast<std::uint8_t>(20 * i + 7 * j));
    labels.push_back(i % 2);
  }
  std::vector<std::vector<scalar_t<B>>> weights;
  for (const residence where : {residence::resident, residence::streamed}) {
    const dataset<B> data(be, view(pixels, 11, 3), labels, 2, 1.0 / 256, {.inputs = where});
    // Where the memory is the host's there is nothing to send.
    CHECK(data.is_resident() == (where == residence::resident || conformance::host_memory<B>));
    CHECK(data.features() == 3);

    data_loader<B> loader(be, data, {.batch = 4, .shuffle = false});
    for (std::uint64_t epoch = 0; epoch < 2; ++epoch) {
      index_t sample = 0;
      for (loader.begin_epoch(epoch); loader.next(); sample += loader.size()) {
        CHECK(loader.first() == sample);
        CHECK(loader.size() == (sample == 8 ? 3 : 4));
        be.map(fn::fill{not_a_number}, loader.inputs());
        be.map(fn::fill{not_a_number}, loader.targets());
        loader.load();
        const std::vector<scalar_t<B>> x = to_host(be, const_matrix<B>(loader.inputs()));
        const std::vector<scalar_t<B>> t = to_host(be, const_matrix<B>(loader.targets()));
        for (std::size_t i = 0; i < t.size(); ++i) {
          const std::size_t number = static_cast<std::size_t>(sample) + i;
          CHECK(t[i] == static_cast<scalar_t<B>>(labels[number]));
          for (std::size_t j = 0; j < 3; ++j)
            CHECK(x[3 * i + j] * 256 == static_cast<scalar_t<B>>(pixels[3 * number + j]));
        }
      }
      CHECK(sample == 11);
    }

    network net{be, dense{3, 4, fn::sigmoid{}}, dense{4, 2}};
    net.initialize(2);
    trainer training{net, softmax_cross_entropy{}, sgd{0.5}};
    training.fit(data, {.epochs = 2, .batch = 4, .seed = 3});  // the last batch has 3
    weights.push_back(to_host(be, const_matrix<B>(net.parameters().all())));
    weights.back().push_back(static_cast<scalar_t<B>>(training.evaluate(data).loss));
  }
  CHECK(weights[0] == weights[1]);
}

TEMPLATE_LIST_TEST_CASE("indices are gathered without conversion, resident and streamed", "",
                        backends) {
  using B = TestType;
  const B be;
  // 16777217 is no float.
  const std::vector<std::int32_t> tokens{5, -1, 16777217, 0, 3, 4};
  const std::vector<int> labels{1, 0, 1};
  for (const residence where : {residence::resident, residence::streamed}) {
    const dataset<B> data(be, view(tokens, 3, 2), labels, 2, 1, {.inputs = where});
    CHECK(data.has_indices());
    CHECK(data.largest_index() == 16777217);
    CHECK(data.what_is_not_finite().empty());
    data_loader<B> loader(be, data, {.batch = 2, .shuffle = false});
    std::vector<std::int32_t> found;
    for (loader.begin_epoch(0); loader.next();) {
      loader.load();
      std::vector<std::int32_t> batch(static_cast<std::size_t>(2 * loader.size()));
      be.download(matrix_view<std::int32_t>(batch.data(), loader.size(), 2), loader.indices());
      be.synchronize();
      found.insert(found.end(), batch.begin(), batch.end());
      const auto t = to_host(be, const_matrix<B>(loader.targets()));
      CHECK(t.front() ==
            static_cast<scalar_t<B>>(labels[static_cast<std::size_t>(loader.first())]));
    }
    CHECK(found == tokens);

    // Without padding each token has a row of its own; a class follows from the first of a sample.
    const std::vector<std::int32_t> words{0, 2, 1, 2, 0, -1, 1, 0};
    const std::vector<int> classes{0, 1, 0, 1};
    const dataset<B> texts(be, view(words, 4, 2), classes, 2, 1, {.inputs = where});
    network net{be, input{2}, embedding{3, 4}, flatten{}, dense{2}};
    trainer t{net, softmax_cross_entropy{}, adam{0.05}};
    const history h = t.fit(texts, {.epochs = 60, .batch = 3, .seed = 2});
    CHECK(h.epochs.back().training.loss < 0.1 * h.epochs.front().training.loss);
    CHECK(t.classify(texts) == classes);
    CHECK(t.evaluate(texts).accuracy == 1);
    CHECK(complaint<value_error>([&] { t.fit(data); }) ==
          "the network takes indices of -1 (padding) to 2, the samples have 16777217");
    network dense_net{be, dense{2, 2}};
    trainer of_scalars{dense_net, softmax_cross_entropy{}, sgd{0.1}};
    CHECK(complaint<value_error>([&] { of_scalars.fit(texts); }) ==
          "the inputs of this data set are indices, not scalars");
  }
  const std::vector<scalar_t<B>> targets{1, 2, 3};
  CHECK(dataset<B>(be, view(tokens, 3, 2), view(targets, 3, 1)).has_indices());
  CHECK(complaint<value_error>([&] { dataset<B>(be, view(tokens, 3, 2), labels, 2, 0.5); }) ==
        "the inputs of a data set are indices, which have no scale, got 0.5; leave it at 1");
  const std::vector<std::int32_t> wrong{0, 0, 0, -2, 0, 0};
  CHECK(complaint<value_error>([&] { dataset<B>(be, view(wrong, 3, 2), labels, 2); }) ==
        "the indices of a data set are -1 (padding), 0, 1, ..., sample 1 has -2");
}

TEST_CASE("what does not go together is refused") {
  using B = tested<double>;
  const B be;
  const auto with_labels = [&](const std::vector<int>& labels, int classes) {
    return [&be, labels, classes] { dataset<B>(be, view(six, 3, 2), labels, classes); };
  };
  CHECK(complaint<shape_error>(with_labels({0, 1}, 2)) ==
        "a data set needs one label per sample, got 2 labels for 3 samples");
  CHECK(complaint<value_error>(with_labels({0, 1, 2}, 2)) ==
        "the label of sample 2 is 2, expected 0 to 1");
  CHECK(complaint<value_error>(with_labels({0, -1, 1}, 2)) ==
        "the label of sample 1 is -1, expected 0 to 1");
  CHECK(complaint<shape_error>([&] { dataset<B>(be, view(six, 3, 2), view(six, 2, 1)); }) ==
        "a data set needs one row of targets per sample, got 2 rows for 3 samples");
  const labelled_images wrong{"test", 1, 1, 1, 3, {0}, {3}};
  CHECK(complaint<value_error>([&] { dataset<B>(be, wrong); }) ==
        "the label of sample 0 is 3, expected 0 to 2");

  const dataset<B> empty(be, view(six, 0, 3), std::vector<int>{}, 2);
  CHECK(empty.count() == 0);
  CHECK(empty.features() == 3);
}

}  // namespace dataset_test
