// tabular: from a CSV file of houses to a validated network in one file, which the second half of
// the program loads and asks from four threads. The houses are generated: 8 features of very
// different sizes and a price with noise, which leaves at most R2 = 0.9975 to explain.
//
//     tabular [--quick] [--folder FOLDER]
//
// The exit status is 1 if R2 on unseen rows is below 0.989 (0.97 with --quick), or if a price that
// the loaded network gives differs by 1 or more (single precision keeps 7 digits of about 500000).

#include <algorithm>
#include <chainrule/chainrule.hpp>
#include <chainrule/data/csv.hpp>
#include <chainrule/data/scaler.hpp>
#include <chainrule/data/split.hpp>
#include <chainrule/io/weights.hpp>
#include <chainrule/network/model.hpp>
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace chainrule;

namespace {

/// Writes a file of that many houses.
void generate(const std::string& path, int count) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  if (file == nullptr) throw io_error("cannot create " + path);
  std::fputs("area,rooms,age,distance,floor,energy,income,density,price\n", file);
  random_stream random{/*seed*/ 1};
  for (int i = 0; i < count; ++i) {
    const double area = random.uniform(20, 300), age = random.uniform(0, 120);
    const double rooms = std::floor(1 + area / 40 + random.uniform(0, 2));
    const double distance = random.uniform(0, 30), floor = std::floor(random.uniform(0, 12));
    const double energy = random.uniform(30, 350), income = random.uniform(2e4, 9e4);
    const double density = random.uniform(0.001, 0.02);
    const double price = 1500 * area * (0.6 + std::exp(-distance / 8)) + 8000 * rooms +
                         9e4 * std::cos(age / 25) + 4e4 * std::tanh(floor - 5) - 300 * energy +
                         2e-5 * income * income - 3e6 * density;
    constexpr double noise = 8e3;  // 5 % of the deviation of the prices
    std::fprintf(file, "%.2f,%g,%.1f,%.2f,%g,%.1f,%.0f,%.5f,%.0f\n", area, rooms, age, distance,
                 floor, energy, income, density, price + noise * random.normal());
  }
  std::fclose(file);
}

/// The share of the variance of the truth that a fit explains.
double r_squared(const host_matrix& fit, const host_matrix& truth) {
  const double mean = scaler::standard(truth).offsets()[0];
  double error = 0, variance = 0;
  for (index_t i = 0; i < truth.rows(); ++i) {
    error += (fit(i, 0) - truth(i, 0)) * (fit(i, 0) - truth(i, 0));
    variance += (truth(i, 0) - mean) * (truth(i, 0) - mean);
  }
  return 1 - error / variance;
}

/// Trains, saves network and scalers, and returns the predictions for the test rows.
host_matrix train(const table& houses, const sample_split& rows, bool quick,
                  const std::string& file) {
  const cpu be;
  const host_matrix x = houses.values(houses.names_without({"price"}));
  const host_matrix y = houses.values({"price"});
  const scaler of_x = scaler::standard(x.select(rows.train));
  const scaler of_y = scaler::standard(y.select(rows.train));
  const dataset data(be, of_x.transform(x), of_y.transform(y));
  const dataset training = data.subset(rows.train), validation = data.subset(rows.validation);

  network net{be, dense{x.cols(), 64, fn::tanh{}}, dense{64, 32, fn::tanh{}}, dense{32, 1}};
  const int epochs = quick ? 12 : 80;
  trainer t{net, mean_squared_error{}, adam{cosine(0.01, epochs * training.count() / 50)}};
  early_stopping patience{20};
  const history h = t.fit(training, {.epochs = epochs,
                                     .batch = 50,
                                     .seed = 1,
                                     .validation = &validation,
                                     .callbacks = {&patience}});
  std::printf("%zu epochs, %s; loss %.5f, validation %.5f\n", h.epochs.size(), h.message.c_str(),
              h.epochs.back().training.loss, h.epochs.back().validation.loss);
  save_weights(net, file, {{"of_x", of_x.text()}, {"of_y", of_y.text()}});
  return of_y.inverse(predict(net, data.subset(rows.test)).view());
}

/// What another program does: it has the file only. Each of four threads answers a quarter.
host_matrix ask(const std::string& file, const host_matrix& x) {
  const auto net = load_network(cpu{}, file);
  const auto metadata = load_safetensors(file).metadata();
  const scaler of_x = scaler::from_text(metadata.at("of_x"));
  const scaler of_y = scaler::from_text(metadata.at("of_y"));
  host_matrix answers(x.rows(), 1);
  std::vector<std::thread> threads;
  for (index_t k = 0; k < 4; ++k)
    threads.emplace_back([&, k] {
      const index_t first = x.rows() * k / 4, last = x.rows() * (k + 1) / 4;
      const host_matrix part = x.view().middle_rows(first, last - first);
      const host_matrix price = of_y.inverse(predict(net, of_x.transform(part)).view());
      for (index_t i = first; i < last; ++i) answers(i, 0) = price(i - first, 0);
    });
  for (std::thread& t : threads) t.join();
  return answers;
}

bool run(bool quick, const std::string& folder) {
  const std::string csv = folder + "/houses.csv", file = folder + "/houses.safetensors";
  generate(csv, quick ? 2000 : 6000);
  const table houses = read_csv(csv);
  const sample_split rows =
      split_samples(houses.rows(), {.validation = 0.1, .test = 0.2, .seed = 7});
  const host_matrix fit = train(houses, rows, quick, file);
  const double r2 = r_squared(fit, houses.values({"price"}).select(rows.test));
  std::printf("R2 on %td unseen rows: %.4f\n", fit.rows(), r2);

  const host_matrix x = houses.values(houses.names_without({"price"})).select(rows.test);
  const host_matrix answers = ask(file, x);
  double difference = 0;
  for (index_t i = 0; i < fit.rows(); ++i)
    difference = std::max(difference, std::abs(answers(i, 0) - fit(i, 0)));
  std::printf("four threads with the loaded network: answers differ by %.2g at most\n", difference);
  return difference < 1 && r2 >= (quick ? 0.97 : 0.989);
}

}  // namespace

int main(int argc, char** argv) {
  bool quick = false, fine = true;
  std::string folder = ".";
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (option == "--quick")
      quick = true;
    else if (option == "--folder" && i + 1 < argc)
      folder = argv[++i];
    else
      fine = false;
  }
  if (!fine) {
    std::fputs("usage: tabular [--quick] [--folder FOLDER]\n", stderr);
    return 2;
  }
  try {
    return run(quick, folder) ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "tabular: %s\n", e.what());
    return 1;
  }
}
