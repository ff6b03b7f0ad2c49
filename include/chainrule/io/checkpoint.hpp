/// \file
/// Saving a training and going on with it, on the same backend or another.
///
///     save_training(trainer, "run.safetensors");      // parameters, optimizer, progress
///     ...
///     load_training(trainer, "run.safetensors");      // of the same layers and rules
///     trainer.fit(data, {.epochs = 5, .seed = 7});    // the next 5 epochs
///
/// On the backend where it was saved, and with the same seed, a training that is resumed takes the
/// very steps that it would have taken. The file holds all that io/weights.hpp writes, so
/// load_weights reads it too, and tensors "optimizer.<slot>.<parameter>" beside that.
#ifndef CHAINRULE_IO_CHECKPOINT_HPP
#define CHAINRULE_IO_CHECKPOINT_HPP

#include <charconv>
#include <string>
#include <vector>

#include "chainrule/io/weights.hpp"

namespace chainrule {

namespace detail {

inline constexpr const char* rules_key = "optimizer";
inline constexpr const char* steps_key = "steps";
inline constexpr const char* epochs_key = "epochs";

/// The number under a key of a file's metadata. Throws format_error if there is none.
[[nodiscard]] inline std::int64_t number_in(const std::map<std::string, std::string>& metadata,
                                            const char* key, const std::string& path) {
  const auto found = metadata.find(key);
  std::int64_t number = -1;
  if (found != metadata.end()) {
    const char* const end = found->second.data() + found->second.size();
    const auto [stopped, failure] = std::from_chars(found->second.data(), end, number);
    if (failure != std::errc{} || stopped != end) number = -1;
  }
  if (number < 0)
    throw format_error(concat(path, ": the metadata '", key,
                              "' must be a number of at least 0, got ",
                              found == metadata.end() ? "none" : "'" + found->second + "'"));
  return number;
}

/// All that a training has learned: the parameters, and the state of its optimizer.
template <class Trainer>
[[nodiscard]] auto arenas_of(Trainer& trainer) {
  auto arenas = arenas_of_network(trainer.net());
  std::size_t slot = 0;
  for (auto& state : trainer.optimizer_state())
    arenas.push_back(
        {concat(state_prefix, slot++, "."), &state, &trainer.net().declared().parameters()});
  return arenas;
}

}  // namespace detail

/// Writes a training: the parameters of its network, the state of its optimizer and how far it is.
/// `metadata` is your own. Throws as save_weights does.
template <class Trainer>
void save_training(Trainer& trainer, const std::string& path,
                   std::map<std::string, std::string> metadata = {}) {
  detail::add_own_key(metadata, detail::rules_key, trainer.optimizer_name());
  detail::add_own_key(metadata, detail::steps_key, std::to_string(trainer.steps()));
  detail::add_own_key(metadata, detail::epochs_key, std::to_string(trainer.epochs()));
  detail::save_arenas(trainer.net(), detail::arenas_of(trainer), path, std::move(metadata));
}

/// Reads a training that was saved, and returns the file's metadata. Throws io_error if the file
/// cannot be read, and format_error, naming what differs, if it is damaged, has no training, or one
/// of other layers or rules; the training is then unchanged.
template <class Trainer>
std::map<std::string, std::string> load_training(Trainer& trainer, const std::string& path,
                                                 load_safetensors_options options = {}) {
  const safetensors_file file = load_safetensors(path, options);
  const auto rules = file.metadata().find(detail::rules_key);
  if (rules == file.metadata().end())
    throw format_error(path + ": these are weights without a training; read them by load_weights");
  if (rules->second != trainer.optimizer_name())
    throw format_error(detail::concat(path, ": this training was made by '", rules->second,
                                      "', this one is made by '", trainer.optimizer_name(), "'"));
  const std::int64_t steps = detail::number_in(file.metadata(), detail::steps_key, path);
  const std::int64_t epochs = detail::number_in(file.metadata(), detail::epochs_key, path);
  detail::load_arenas(trainer.net(), detail::arenas_of(trainer), file, false);
  trainer.set_progress(steps, static_cast<std::uint64_t>(epochs));
  return file.metadata();
}

}  // namespace chainrule

#endif  // CHAINRULE_IO_CHECKPOINT_HPP
