/// \file
/// What the fragments of code in README.md and docs/ may take for granted: everything is included,
/// and the names that texts use without declaring them again are there. Nothing of it is defined:
/// the pages are compiled and never linked. See check.cmake.
#ifndef CHAINRULE_TESTS_DOCS_PREAMBLE_HPP
#define CHAINRULE_TESTS_DOCS_PREAMBLE_HPP

#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "chainrule/chainrule.hpp"
#include "chainrule/data/csv.hpp"
#include "chainrule/data/image_folder.hpp"
#include "chainrule/io/pytorch.hpp"
#include "chainrule/io/weights.hpp"
#include "chainrule/metrics/confusion_matrix.hpp"
#include "chainrule/testing/gradient_check.hpp"
#include "chainrule/train/anomaly.hpp"
#include "chainrule/train/csv_log.hpp"
#include "chainrule/train/gradient_statistics.hpp"
#include "chainrule/train/interrupt.hpp"
#include "chainrule/train/json_lines_log.hpp"
#include "chainrule/train/lbfgs.hpp"
#include "chainrule/train/learning_rate_finder.hpp"
#include "chainrule/train/progress.hpp"
#include "chainrule/train/reduce_on_plateau.hpp"
#include "chainrule/train/stop_conditions.hpp"
#include "chainrule/train/tensorboard_log.hpp"
#include "chainrule/train/weight_average.hpp"
#include "chainrule/train/weight_constraints.hpp"

using namespace chainrule;

namespace page {

/// The network of most examples: digits of 28 x 28 pixels.
using digit_network = network<cpu, dense<dynamic, dynamic, relu>, dense<>>;

extern const cpu be;
extern digit_network net;
extern const labelled_images images;                // 28 x 28
extern const dataset<cpu> train, validation, test;  // of such images
extern trainer<cpu> t;
extern const table houses;  // area, rooms, kind (of text), price
extern tensor<cpu> x, y;    // n x 784, n x 10

}  // namespace page

#endif  // CHAINRULE_TESTS_DOCS_PREAMBLE_HPP
