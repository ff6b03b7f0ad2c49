// Tables, vectors and Eigen matrices as data sets; subsets; balanced orders; scalers in files.
#include <Eigen/Core>
#include <algorithm>
#include <optional>

#include "chainrule/data/csv.hpp"
#include "chainrule/data/scaler.hpp"
#include "chainrule/data/split.hpp"
#include "chainrule/io/weights.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/train/balanced_order.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "testing/batches.hpp"

namespace tables_test {

using namespace batches;

namespace {

/// All inputs and targets, in the order in which a loader gives them.
template <class B>
struct loaded {
  loaded(const B& be, const dataset<B>& data, const loader_options& options) {
    data_loader<B> loader(be, data, options);
    for (loader.begin_epoch(0); loader.next();) {
      be.map(fn::fill{not_a_number}, loader.inputs());
      be.map(fn::fill{not_a_number}, loader.targets());
      loader.load();
      for (const scalar_t<B> x : to_host(be, const_matrix<B>(loader.inputs())))
        inputs.push_back(static_cast<double>(x));
      for (const scalar_t<B> t : to_host(be, const_matrix<B>(loader.targets())))
        targets.push_back(static_cast<double>(t));
    }
  }
  std::vector<double> inputs, targets;
};

constexpr loader_options in_order{.batch = 2, .shuffle = false};

/// Sample i of 40: {i, -2 i}, target i / 4.
host_matrix inputs_of_forty() {
  host_matrix x(40, 2);
  for (index_t i = 0; i < 40; ++i) {
    x(i, 0) = static_cast<double>(i) / 8;
    x(i, 1) = -2 * x(i, 0);
  }
  return x;
}
host_matrix targets_of_forty() {
  host_matrix y(40, 1);
  for (index_t i = 0; i < 40; ++i) y(i, 0) = static_cast<double>(i) / 4;
  return y;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a table becomes a data set of chosen columns", "", backends) {
  using B = TestType;
  const B be;
  const table t = parse_csv("a,kind,b,price\n1,x,2,10\n3,y,4,20\n5,x,6,30\n");
  // The matrices are gone when the data is used.
  const dataset data(be, t.values({"b", "a"}), t.values({"price"}));
  CHECK(data.count() == 3);
  CHECK(data.features() == 2);
  CHECK(data.classes() == 0);
  const loaded<B> all(be, data, in_order);
  CHECK(all.inputs == std::vector<double>{2, 1, 4, 3, 6, 5});
  CHECK(all.targets == std::vector<double>{10, 20, 30});

  const class_column kind = t.classes("kind");
  const dataset classes(be, t.values({"a"}), kind.numbers, kind.count());
  CHECK(classes.classes() == 2);
  CHECK(loaded<B>(be, classes, in_order).targets == std::vector<double>{0, 1, 0});
  CHECK(dataset<B>(be, t.values({"a"})).target_cols() == 0);
  CHECK_THROWS_AS(dataset<B>(be, t.values({"a"}), host_matrix(2, 1)), shape_error);
  CHECK_THROWS_AS(dataset<B>(be, t.values({"a"}), std::vector<int>{0, 2, 0}, 2), value_error);
}

TEMPLATE_LIST_TEST_CASE("vectors, spans and Eigen matrices are inputs and targets", "", backends) {
  using B = TestType;
  const B be;
  Eigen::MatrixXd x(3, 2);  // column-major
  x << 1, 2, 3, 4, 5, 6;
  Eigen::Matrix<float, Eigen::Dynamic, 1> y(3);
  y << 7, 8, 9;
  const std::vector<double> v = {7, 8, 9};
  const loaded<B> from_eigen(be, dataset<B>(be, 2 * x, y), in_order);
  CHECK(from_eigen.inputs == std::vector<double>{2, 4, 6, 8, 10, 12});
  CHECK(from_eigen.targets == v);
  CHECK(loaded<B>(be, dataset<B>(be, v, std::span(v)), in_order).inputs == v);

  network net{be, dense{2, 1}};
  net.initialize(5);
  const std::vector<double> expected = doubles(
      be, net.predict(from_host(be, matrix_view<const scalar_t<B>>(
                                        std::vector<scalar_t<B>>{1, 2, 3, 4, 5, 6}.data(), 3, 2))
                          .view()));
  CHECK(doubles(be, predict(net, x)) == expected);
  CHECK(doubles(be, predict(net, host_matrix(x))) == expected);
}

TEST_CASE("a number that the scalar cannot hold is refused") {
  const tested<float> be;
  host_matrix x(2, 3);
  x(1, 2) = 1e39;
  CHECK(complaint<value_error>([&] { (void)dataset<tested<float>>(be, x); }) ==
        "sample 1 has 1e+39 in column 2, too large for the backend's scalar; scale it");
  x(1, 2) = not_a_number;  // which a training reports
  CHECK(dataset<tested<float>>(be, x).what_is_not_finite() == "the inputs of sample 1");
}

TEMPLATE_LIST_TEST_CASE("a subset has the samples of its numbers, and outlives the data", "",
                        backends) {
  using B = TestType;
  const B be;
  for (const residence r : {residence::resident, residence::streamed}) {
    std::optional<dataset<B>> whole(std::in_place, be, inputs_of_forty(), targets_of_forty(),
                                    dataset_options{.inputs = r});
    const std::vector<std::int32_t> numbers = {8, 0, 39, 8};
    const dataset<B> part = whole->subset(numbers);
    const dataset<B> part_of_part = part.subset(std::vector<std::int32_t>{2, 0});
    const dataset<B> none = whole->subset(std::vector<std::int32_t>{});
    CHECK(complaint<value_error>([&] { (void)part.subset(std::vector<std::int32_t>{4}); }) ==
          "a subset names sample 4 of a data set of 4 samples");
    CHECK_THROWS_AS(whole->subset(std::vector<std::int32_t>{-1}), value_error);
    whole.reset();
    CHECK(part.count() == 4);
    CHECK(none.count() == 0);
    const loaded<B> all(be, part, in_order);
    CHECK(all.inputs == std::vector<double>{1, -2, 0, 0, 4.875, -9.75, 1, -2});
    CHECK(all.targets == std::vector<double>{2, 0, 9.75, 2});
    CHECK(loaded<B>(be, part_of_part, in_order).targets == std::vector<double>{9.75, 2});
  }
}

TEMPLATE_LIST_TEST_CASE("training on a subset is training on a copy of it, to the bit", "",
                        backends) {
  using B = TestType;
  const B be;
  const host_matrix x = inputs_of_forty(), y = targets_of_forty();
  const sample_split s = split_samples(40, {.validation = 0.25, .seed = 9});
  const dataset<B> whole(be, x, y);
  const auto trained = [&](const dataset<B>& train, const dataset<B>& held_out) {
    network net{be, dense{2, 3, fn::tanh{}}, dense{3, 1}};
    net.initialize(1);
    trainer t{net, mean_squared_error{}, momentum{.rate = 0.01}};
    const history h = t.fit(train, {.epochs = 3, .batch = 7, .seed = 4, .validation = &held_out});
    std::vector<double> result =
        doubles(be, net.predict(from_host(be, matrix_view<const scalar_t<B>>(
                                                  std::vector<scalar_t<B>>{1, -2}.data(), 1, 2))
                                    .view()));
    result.push_back(h.epochs.back().training.loss);
    result.push_back(h.epochs.back().validation.loss);
    return result;
  };
  const auto of_subset = trained(whole.subset(s.train), whole.subset(s.validation));
  const auto of_copy = trained(dataset<B>(be, x.select(s.train), y.select(s.train)),
                               dataset<B>(be, x.select(s.validation), y.select(s.validation)));
  CHECK(of_subset == of_copy);
  CHECK(of_subset != trained(whole, whole));
}

TEMPLATE_LIST_TEST_CASE("samples that a subset leaves out are not checked", "", backends) {
  using B = TestType;
  const B be;
  const std::vector<double> x = {1, not_a_number, 3, 4}, y = {0, 1, 7, 1};
  const dataset<B> whole(be, x, y);
  network net{be, dense{1, 1}};
  trainer t{net, sigmoid_cross_entropy{}, sgd{0.1}};
  const std::vector<std::int32_t> fine = {3, 0}, with_nan = {3, 1}, with_seven = {3, 0, 2};
  CHECK(whole.what_is_not_finite() == "the inputs of sample 1");
  CHECK(whole.subset(fine).what_is_not_finite().empty());
  CHECK(whole.subset(with_nan).what_is_not_finite() == "the inputs of sample 1");
  CHECK(whole.subset(std::vector<std::int32_t>{1, 3}).what_is_not_finite() ==
        "the inputs of sample 0");
  CHECK(t.fit(whole.subset(fine), {.epochs = 1}).reason == stop_reason::finished);
  CHECK(t.evaluate(whole.subset(fine)).loss > 0);
  CHECK(
      scratch::contains(complaint<value_error>([&] { (void)t.evaluate(whole.subset(with_seven)); }),
                        "that of sample 2 is 7"));
}

TEST_CASE("a balanced order draws each class equally, and each sample of a class in turn") {
  // 12 samples: 8 of class 0, 3 of class 1, 1 of class 5.
  const std::vector<int> labels = {0, 0, 1, 0, 0, 5, 0, 1, 0, 0, 1, 0};
  balanced_order balanced(labels, 3);
  std::vector<std::int32_t> order(12), first;
  std::vector<int> uses(12);
  for (int epoch = 0; epoch < 6; ++epoch) {
    balanced.draw(order);
    int drawn[6] = {};
    for (const std::int32_t i : order) {
      REQUIRE(i >= 0);
      REQUIRE(i < 12);
      ++drawn[labels[static_cast<std::size_t>(i)]];
      ++uses[static_cast<std::size_t>(i)];
    }
    CHECK(drawn[0] == 4);
    CHECK(drawn[1] == 4);
    CHECK(drawn[5] == 4);
    if (epoch == 0) first = order;
  }
  CHECK(order != first);
  // 24 draws of each class.
  for (std::size_t i = 0; i < 12; ++i)
    CHECK(uses[i] == (labels[i] == 0 ? 3 : labels[i] == 1 ? 8 : 24));
  balanced_order same(labels, 3), other(labels, 4);
  same.draw(order);
  CHECK(order == first);
  other.draw(order);
  CHECK(order != first);
  std::vector<std::int32_t> eleven(11);
  CHECK_THROWS_AS(same.draw(eleven), shape_error);
  CHECK_THROWS_AS(balanced_order(std::vector<int>{}), value_error);
}

TEMPLATE_LIST_TEST_CASE("a training takes a balanced order, also of a subset", "", backends) {
  using B = TestType;
  const B be;
  const std::vector<double> x = {0, 1, 2, 3, 4, 5, 6, 7};
  const std::vector<int> labels = {0, 0, 0, 0, 0, 0, 0, 1};
  const dataset<B> whole(be, x, labels, 2);
  const std::vector<std::int32_t> numbers = {1, 7, 3, 5};
  const dataset<B> part = whole.subset(numbers);
  balanced_order balanced(std::vector<int>{0, 1, 0, 0}, 1);
  loaded<B> all(be, part, {.batch = 4, .order = &balanced});
  CHECK(std::count(all.inputs.begin(), all.inputs.end(), 7) == 2);
  CHECK(std::count(all.targets.begin(), all.targets.end(), 1) == 2);
  network net{be, dense{1, 2}};
  trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  CHECK(t.fit(part, {.epochs = 2, .batch = 3, .order = &balanced}).epochs.size() == 2);
}

TEST_CASE("a weights file holds network and scalers, and a second program answers alike") {
  using B = tested<float>;
  const B be;
  const scratch::folder folder;
  const host_matrix x = inputs_of_forty(), y = targets_of_forty();
  const scaler of_x = scaler::standard(x), of_y = scaler::min_max(y);
  network net{be, dense{2, 4, fn::tanh{}}, dense{4, 1}};
  net.initialize(3);
  save_weights(net, folder / "net.safetensors", {{"x", of_x.text()}, {"y", of_y.text()}});

  network again{be, dense{2, 4, fn::tanh{}}, dense{4, 1}};
  const auto metadata = load_weights(again, folder / "net.safetensors");
  const scaler x_again = scaler::from_text(metadata.at("x"));
  const scaler y_again = scaler::from_text(metadata.at("y"));
  CHECK(x_again == of_x);
  CHECK(y_again == of_y);
  CHECK(doubles(be, predict(again, x_again.transform(x))) ==
        doubles(be, predict(net, of_x.transform(x))));
}

}  // namespace tables_test
