// The page of a training, read by a small XML reader.
#include "chainrule/train/report.hpp"

#include <limits>
#include <string>
#include <vector>

#include "chainrule/io/image_grid.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "support/xml.hpp"

namespace report_test {

using namespace chainrule;
using scratch::contains;

namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();
using texts = std::vector<std::string>;

metrics measured(double loss, double accuracy) {
  return {.loss = loss, .accuracy = accuracy, .values = {{"accuracy", accuracy}}};
}
/// The best epoch is the second.
history three_epochs() {
  history h;
  const double validation[] = {0.5, 0.25, none};
  for (int e = 0; e < 3; ++e)
    h.epochs.push_back({.epoch = e + 1,
                        .training = measured(1.0 / (e + 1), 0.5 + 0.125 * e),
                        .validation = measured(validation[e], 0.75),
                        .seconds = 1.5,
                        .rate = 0.5,
                        .samples = 100,
                        .validated = true});
  return h;
}
/// The page behind its first line, which is no XML.
std::string body(const std::string& page) {
  const std::string first = "<!DOCTYPE html>\n";
  REQUIRE(page.starts_with(first));
  const std::string rest = page.substr(first.size());
  REQUIRE(xml::error_in(rest) == "");
  return rest;
}
std::size_t charts(const std::string& page) {
  std::size_t n = 0;
  for (auto at = page.find("<svg"); at != std::string::npos; at = page.find("<svg", at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("report: a table of the epochs, the best one bold, and a curve per metric") {
  const std::string page = body(report_html(three_epochs()));
  CHECK(xml::texts(page, "td") == texts{"3 in 4.5 s of training",
                                        "0.25, epoch 2",  //
                                        "1",
                                        "1",
                                        "0.5",
                                        "0.5",
                                        "0.75",
                                        "0.5",
                                        "100",
                                        "1.5",  //
                                        "2",
                                        "0.5",
                                        "0.625",
                                        "0.25",
                                        "0.75",
                                        "0.5",
                                        "100",
                                        "1.5",  //
                                        "3",
                                        "0.3333",
                                        "0.75",
                                        "-",
                                        "0.75",
                                        "0.5",
                                        "100",
                                        "1.5"});
  CHECK(xml::texts(page, "th") == texts{"epochs", "least validation loss", "epoch", "loss",
                                        "accuracy", "validation loss", "validation accuracy",
                                        "rate", "samples", "seconds"});
  CHECK(contains(page, "<tr class=\"best\"><td>2</td>"));
  CHECK(charts(page) == 2);  // a rate that stays needs no curve
  // One file: nothing is fetched.
  for (const char* part : {"src=", "href=", "url(", "@import", "<script", "https:"})
    CHECK_FALSE(contains(page, part));
}

TEST_CASE("report: what is given is shown, and escaped") {
  history h = three_epochs();
  h.epochs.back().rate = 0.25;
  h.message = "patience <lost>";
  const confusion_matrix confusion(std::vector<int>{0, 1, 1}, std::vector<int>{0, 1, 0}, 2);
  const std::vector<float> pixels{0, 1, 2, 3};
  const std::string page =
      body(report_html(h, {.title = "a & b",
                           .summary = "dense <1>\n",
                           .settings = {{"batch", "64"}},
                           .confusion = &confusion,
                           .classes = {"cat & co", "dog"},
                           .charts = {image_grid({{pixels, 2, 2, "worst"}})}}));
  CHECK(xml::texts(page, "h1") == texts{"a & b"});
  CHECK(xml::texts(page, "pre") == texts{"dense <1>\n"});
  CHECK(contains(page, "<tr><th>batch</th><td>64</td></tr>"));
  CHECK(contains(page, "<th>ended because</th><td>patience &lt;lost&gt;</td>"));
  CHECK(contains(page, ">worst</text>"));
  CHECK(charts(page) == 5);  // loss, accuracy, rate, confusion, worst
  CHECK(xml::texts(confusion_chart(confusion, {"cat & co", "dog"}), "text") ==
        texts{"cat & co", "dog", "cat & co", "dog", "1", "0", "1", "1", "predicted class",
              "true class"});
}

TEST_CASE("report: no epoch, no validation, losses that are not numbers") {
  body(report_html({}));
  history h = three_epochs();
  for (epoch_record& r : h.epochs) {
    r.validated = false;
    r.validation = {};
    r.training.loss = r.epoch == 2 ? 0 : none;
  }
  const std::string page = body(report_html(h));
  CHECK_FALSE(contains(page, "validation"));
  CHECK(contains(page, "<th>least training loss</th><td>0, epoch 2</td>"));
  for (epoch_record& r : h.epochs) r.training.loss = none;
  CHECK_FALSE(contains(body(report_html(h)), "least"));
}

TEST_CASE("report: a metric is drawn on both sets of samples") {
  const std::string svg = metric_chart(three_epochs(), "accuracy");
  const texts labels = xml::texts(svg, "text");
  CHECK(std::count(labels.begin(), labels.end(), "training") == 1);
  CHECK(std::count(labels.begin(), labels.end(), "validation") == 1);
  CHECK(std::count(labels.begin(), labels.end(), "accuracy") == 1);
  CHECK(std::count(labels.begin(), labels.end(), "epoch") == 1);
}

TEST_CASE("report: the file is the page") {
  const scratch::folder folder;
  write_report(folder / "report.html", three_epochs(), {.title = "t"});
  CHECK(scratch::read(folder / "report.html") == report_html(three_epochs(), {.title = "t"}));
}

}  // namespace report_test
