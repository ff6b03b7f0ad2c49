/// \file
/// Saving and resuming a training, on the same backend or another.
///
///     save_training(trainer, "run.safetensors");      // parameters, optimizer, progress
///     ...
///     load_training(trainer, "run.safetensors");      // of the same layers and rules
///     trainer.fit(data, {.epochs = 5, .seed = 7});    // the next 5 epochs
///
/// A training that is resumed on the same backend with the same seed takes the same steps, bit for
/// bit, as one that was not interrupted. Where it was stopped within an epoch, the rest of that is
/// the first epoch of the next fit. The file holds all that io/weights.hpp writes, so
/// load_weights reads it too, and tensors "optimizer.<slot>.<parameter>" beside that.
#ifndef CHAINRULE_IO_CHECKPOINT_HPP
#define CHAINRULE_IO_CHECKPOINT_HPP

#include <charconv>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "chainrule/core/text.hpp"
#include "chainrule/io/weights.hpp"

namespace chainrule {

namespace detail {

inline constexpr const char* rules_key = "optimizer";
inline constexpr const char* steps_key = "steps";
inline constexpr const char* epochs_key = "epochs";
// Files of version 0.1 do not have the keys below: the place in an epoch that was stopped, the
// factor of the learning rate, which is 1 for them, and the counters of batches and of epochs that
// ended, which follow from the others.
inline constexpr const char* done_key = "epoch_done";
inline constexpr const char* samples_key = "epoch_samples";
inline constexpr const char* seed_key = "epoch_seed";
inline constexpr const char* rate_factor_key = "rate_factor";
inline constexpr const char* passes_key = "passes";
inline constexpr const char* epochs_done_key = "epochs_done";

/// The number under a key of a file's metadata. Throws format_error if there is none, or a larger
/// one than `most`.
[[nodiscard]] inline std::uint64_t number_in(const std::map<std::string, std::string>& metadata,
                                             const char* key, const std::string& path,
                                             std::uint64_t most) {
  const auto found = metadata.find(key);
  if (found != metadata.end()) {
    std::uint64_t number = 0;
    const char* const end = found->second.data() + found->second.size();
    const auto [stopped, failure] = std::from_chars(found->second.data(), end, number);
    if (failure == std::errc{} && stopped == end && number <= most) return number;
  }
  throw format_error(concat(path, ": the metadata '", key, "' must be a number of 0 to ", most,
                            ", got ", found == metadata.end() ? "none" : name_text(found->second)));
}

/// The rate factor of a file's metadata, 1 if there is none. Throws format_error unless it is
/// finite and at least 0.
[[nodiscard]] inline double rate_factor_in(const std::map<std::string, std::string>& metadata,
                                           const std::string& path) {
  const auto found = metadata.find(rate_factor_key);
  double factor = 1;
  if (found != metadata.end() && (!parse_number(found->second, factor) || factor < 0))
    throw format_error(concat(path, ": the metadata '", rate_factor_key,
                              "' must be a finite number of at least 0, got ",
                              name_text(found->second)));
  return factor;
}

/// The parameters and states of a training's network and the state of its optimizer.
template <class Trainer>
[[nodiscard]] auto arenas_of(Trainer& trainer) {
  auto arenas = arenas_of_network(trainer.net());
  std::size_t slot = 0;
  for (auto& state : trainer.optimizer().all_state())
    arenas.push_back(
        {concat(state_prefix, slot++, "."), &state, &trainer.net().declared().parameters()});
  return arenas;
}

}  // namespace detail

/// Writes a training: the parameters of its network, the state of its optimizer and its progress.
/// `metadata` is your own. Throws as save_weights does.
template <class Trainer>
void save_training(Trainer& trainer, const std::string& path,
                   std::map<std::string, std::string> metadata = {}) {
  (void)trainer.optimizer().state();  // throws if it is not whole
  detail::add_own_key(metadata, detail::rules_key, trainer.optimizer().name());
  const auto progress = trainer.progress();
  detail::add_own_key(metadata, detail::steps_key, std::to_string(progress.steps));
  detail::add_own_key(metadata, detail::epochs_key, std::to_string(progress.epochs));
  detail::add_own_key(metadata, detail::done_key, std::to_string(progress.place.done));
  detail::add_own_key(metadata, detail::samples_key, std::to_string(progress.place.samples));
  detail::add_own_key(metadata, detail::seed_key, std::to_string(progress.place.seed));
  detail::add_own_key(metadata, detail::passes_key, std::to_string(progress.passes));
  detail::add_own_key(metadata, detail::epochs_done_key, std::to_string(progress.epochs_done));
  detail::add_own_key(metadata, detail::rate_factor_key,
                      detail::digits_of(trainer.optimizer().rate_factor()));
  detail::save_arenas(trainer.net(), detail::arenas_of(trainer), path, std::move(metadata));
}

/// Reads a training that was saved, and returns the file's metadata. Throws io_error if the file
/// cannot be read, and format_error, naming what differs, if it is damaged, has no training, or one
/// of other layers or rules; the training is then unchanged.
template <class Trainer>
std::map<std::string, std::string> load_training(Trainer& trainer, const std::string& path,
                                                 load_safetensors_options options = {}) {
  const safetensors_file file = load_safetensors(path, options);
  auto metadata = file.metadata();  // copied before anything changes: that may throw
  const auto rules = metadata.find(detail::rules_key);
  if (rules == metadata.end())
    throw format_error(path + ": these are weights without a training; read them by load_weights");
  if (rules->second != trainer.optimizer().name())
    throw format_error(detail::concat(path, ": this training was made by ",
                                      detail::name_text(rules->second, 1000),
                                      ", this one is made by '", trainer.optimizer().name(), "'"));
  const auto number = [&](const char* key, std::uint64_t most) {
    return detail::number_in(metadata, key, path, most);
  };
  constexpr auto most = static_cast<std::uint64_t>(Trainer::most_steps);
  using counters = decltype(trainer.progress());
  decltype(counters::place) place;
  if (metadata.contains(detail::done_key))
    place = {static_cast<index_t>(number(detail::done_key, most)),
             static_cast<index_t>(number(detail::samples_key, most)),
             number(detail::seed_key, ~std::uint64_t{0})};
  counters progress =
      counters::of_batches(static_cast<std::int64_t>(number(detail::steps_key, most)),
                           number(detail::epochs_key, most), place);
  if (metadata.contains(detail::passes_key)) progress.passes = number(detail::passes_key, most);
  if (metadata.contains(detail::epochs_done_key))
    progress.epochs_done = static_cast<std::int64_t>(number(detail::epochs_done_key, most));
  const double rate_factor = detail::rate_factor_in(metadata, path);
  detail::load_arenas(trainer.net(), detail::arenas_of(trainer), file, false);
  trainer.optimizer().set_whole();
  trainer.set_progress(progress);
  trainer.optimizer().set_rate_factor(rate_factor);
  return metadata;
}

}  // namespace chainrule

#endif  // CHAINRULE_IO_CHECKPOINT_HPP
