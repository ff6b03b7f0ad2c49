/// \file
/// A race between programs: each net is trained by all contenders in turns, an epoch each, round
/// after round, and what is compared are the times of the same rounds: a shared machine is never
/// equally fast twice. In the end each contender shows that it has learned.
///
///     race --list FILE --nets ABCT --rounds 5 --data FOLDER --json FILE --log FILE
///
/// The list has a line per thing, its parts separated by tabs:
///
///     train    NAME  NETS  THREADS  COMMAND      a contender (peers/contender.hpp)
///     gemms    NAME  NETS  THREADS  COMMAND      one that runs the products of the steps alone
///     pair     NAME  NETS  2        COMMAND      two processes at once, of one thread each
///     skip     NAME  WHY
///     compile  WHAT  COMPILER  SECONDS  MEGABYTES
///     note     KEY   VALUE
///
/// NETS and THREADS are one letter or digit each: ABC, 12. The exit status is 1 if one did not
/// learn, broke off, or did not learn the same as those that begin alike.

#include <cmath>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

#include "../shapes.hpp"
#include "child.hpp"
#include "report.hpp"
#include "results.hpp"

namespace {

struct options {
  std::string list, nets = "ABCT", data, json, log = "/dev/null";
  int rounds = 5;
};

struct contender {
  bool gemms, pair;
  std::string name, nets, threads, command;
};

constexpr int patience = 900;  // seconds for an answer

/// The number after "key": in a line of JSON, or `otherwise`.
double number_in(const std::string& line, const std::string& key, double otherwise) {
  const auto at = line.find("\"" + key + "\": ");
  return at == std::string::npos ? otherwise
                                 : std::strtod(line.c_str() + at + key.size() + 4, nullptr);
}

std::string text_in(const std::string& line, const std::string& key) {
  const auto at = line.find("\"" + key + "\": \"");
  if (at == std::string::npos) return {};
  const auto from = at + key.size() + 5;
  return line.substr(from, line.find('"', from) - from);
}

std::string options_of(const net_shape& s, int threads, const std::string& data) {
  std::ostringstream all;
  all << " --net " << s.name << " --extents ";
  for (std::size_t i = 0; i < s.extents.size(); ++i) all << (i == 0 ? "" : ",") << s.extents[i];
  all << " --hidden " << (s.hidden == nonlinearity::sigmoid ? "sigmoid" : "relu") << " --batch "
      << s.batch << " --rate " << s.rate << " --threads " << threads << " --data '" << data << "/"
      << (s.extents[0] == 784 ? "images" : "parity") << "'";
  return all.str();
}

/// A contender that is under way. It stays where its child is, even after that broke off.
struct runner {
  entry result;
  std::string log;
  std::unique_ptr<child> process;
  std::unique_ptr<child> second;  // of a pair; else null
  int epochs = 1;                 // of one turn

  void give_up(const std::string& why) {
    result.wrong = why;
    process.reset();
    second.reset();
  }

  /// Waits for the first epoch, which does not count.
  void warm_up() {
    const std::string line = process->listen(patience);
    if (line.empty()) return give_up("it did not start; see " + log);
    result.version = text_in(line, "ready");
    result.same_start = number_in(line, "same_start", 0) != 0;
    result.first_loss = result.loss = number_in(line, "loss", 0);
    // Short epochs are measured several at a time, by what a second, warm one takes.
    const std::string again = process->ask("train 1", patience);
    if (again.empty()) return give_up("it broke off; see " + log);
    const double one = number_in(again, "seconds", 1);
    epochs = std::max(1, static_cast<int>(std::min(0.05 / std::max(one, 1e-9), 10000.0)));
    if (second && second->listen(patience).empty()) give_up("its second did not start; see " + log);
  }

  void take_turn() {
    if (!process) return;
    const double before = processor_seconds();
    const std::string turn = "train " + std::to_string(epochs);
    if ((second && !second->send(turn)) || !process->send(turn))
      return give_up("it broke off; see " + log);
    const std::string line = process->listen(patience);
    const std::string other = second ? second->listen(patience) : line;
    if (line.empty() || other.empty()) return give_up("it broke off; see " + log);
    result.seconds.push_back(std::max(number_in(line, "seconds", std::nan("")),
                                      number_in(other, "seconds", std::nan(""))));
    result.work.push_back((processor_seconds() - before) / epochs);
    result.loss = number_in(line, "loss", 0);
  }

  /// Of a pair: of both processes.
  [[nodiscard]] double processor_seconds() const {
    return process->processor_seconds() + (second ? second->processor_seconds() : 0);
  }

  void be_judged() {
    if (!process) return;
    const std::string line = process->ask("test", patience);
    if (line.empty()) return give_up("it broke off; see " + log);
    result.figure = result.gemms ? "error" : "accuracy";
    result.value = number_in(line, result.figure, std::nan(""));
    std::ostringstream why;
    // The parity of ten bits is learned without a mistake; images by any net to three quarters. An
    // error of 1 is what rounding explains at most.
    const double least = result.net == "T" ? 0.99 : 0.75;
    if (result.gemms && !(result.value <= 1))
      why << "its products are wrong: error " << result.value;
    if (!result.gemms && !(result.value >= least && result.loss < result.first_loss))
      why << "it did not learn: accuracy " << result.value << ", loss " << result.first_loss
          << ", then " << result.loss;
    if (!why.str().empty()) result.wrong = why.str();
  }
};

/// Those that begin with the same weights and see the same batches must come to the same loss in
/// the first epoch. Rounding differs, and training amplifies it: one percent.
void compare_first_losses(std::vector<runner>& runners) {
  const entry* first = nullptr;
  for (runner& r : runners) {
    if (!r.result.same_start || !r.result.wrong.empty()) continue;
    if (first == nullptr) first = &r.result;
    if (!(std::abs(r.result.first_loss / first->first_loss - 1) < 0.01)) {
      std::ostringstream why;
      why << "its first epoch differs from that of " << first->name << ": loss "
          << r.result.first_loss << ", not " << first->first_loss;
      r.result.wrong = why.str();
    }
  }
}

/// What is under way, in a line that the next one replaces; only for people.
void say(const std::string& what) {
  if (::isatty(2) != 0) std::fprintf(stderr, "\r%-100s\r%s", "", what.c_str());
}

void race_on(const net_shape& s, const std::vector<contender>& contenders, const options& o,
             results& all) {
  std::vector<runner> runners;
  for (const contender& c : contenders) {
    if (c.nets.find(s.name) == std::string::npos) continue;
    for (const char digit : c.threads) {
      const int threads = digit - '0';
      say("net " + std::string(s.name) + ": " + c.name + ", " + digit +
          (threads == 1 ? " thread" : " threads") + " warms up");
      runner r;
      r.result.name = c.name;
      r.result.net = s.name;
      r.result.threads = threads;
      r.result.gemms = c.gemms;
      r.log = o.log;
      const int each = c.pair ? 1 : threads;
      const std::string command = c.command + options_of(s, each, o.data);
      r.process = std::make_unique<child>(command, each, o.log);
      if (c.pair) r.second = std::make_unique<child>(command, each, o.log);
      r.warm_up();
      // Somebody else's program that cannot start is no mistake of ours.
      if (!r.process && c.name.rfind("chainrule", 0) != 0)
        all.skipped.emplace_back(
            c.name + ", net " + s.name + ", " + digit + (threads == 1 ? " thread" : " threads"),
            r.result.wrong);
      else
        runners.push_back(std::move(r));
    }
  }
  for (int round = 1; round <= o.rounds; ++round) {
    say("net " + std::string(s.name) + ": round " + std::to_string(round) + " of " +
        std::to_string(o.rounds));
    for (runner& r : runners) r.take_turn();
  }
  say("");
  for (runner& r : runners) r.be_judged();
  compare_first_losses(runners);
  for (runner& r : runners) all.entries.push_back(std::move(r.result));
}

/// False, with a word, if a line is not one.
bool read_list(const std::string& path, std::vector<contender>& contenders, results& all) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    std::vector<std::string> parts;
    std::istringstream from(line);
    for (std::string part; std::getline(from, part, '\t');) parts.push_back(part);
    if (parts.empty()) continue;
    const std::string& kind = parts[0];
    if ((kind == "train" || kind == "gemms" || (kind == "pair" && parts[3] == "2")) &&
        parts.size() == 5)
      contenders.push_back(
          {kind == "gemms", kind == "pair", parts[1], parts[2], parts[3], parts[4]});
    else if (kind == "skip" && parts.size() == 3)
      all.skipped.emplace_back(parts[1], parts[2]);
    else if (kind == "compile" && parts.size() == 5)
      all.compilations.push_back({parts[1], parts[2], parts[3], parts[4]});
    else if (kind == "note" && parts.size() == 3)
      all.notes.emplace_back(parts[1], parts[2]);
    else {
      std::fprintf(stderr, "race: %s has a line that is not one: %s\n", path.c_str(), line.c_str());
      return false;
    }
  }
  if (contenders.empty()) std::fprintf(stderr, "race: %s names no contender\n", path.c_str());
  return !contenders.empty();
}

bool read_options(int argc, char** argv, options& o) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const std::string value = argv[i + 1];
    if (name == "--list")
      o.list = value;
    else if (name == "--nets")
      o.nets = value;
    else if (name == "--data")
      o.data = value;
    else if (name == "--json")
      o.json = value;
    else if (name == "--log")
      o.log = value;
    else if (name == "--rounds")
      o.rounds = std::atoi(value.c_str());
    else
      return false;
  }
  return argc % 2 == 1 && !o.list.empty() && !o.data.empty() && o.rounds >= 1;
}

}  // namespace

int main(int argc, char** argv) {
  options o;
  if (!read_options(argc, argv, o)) {
    std::fputs(
        "race: expected --list FILE --data FOLDER [--nets ABCT] [--rounds 5] [--json FILE] "
        "[--log FILE]\n",
        stderr);
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);  // a contender that is gone is noticed where it is asked
  results all;
  std::vector<contender> contenders;
  if (!read_list(o.list, contenders, all)) return 2;
  for (const net_shape* s : {&net_a, &net_b, &net_c, &net_d, &net_t})
    if (o.nets.find(s->name) != std::string::npos) race_on(*s, contenders, o, all);
  print_report(all);
  int status = 0;
  for (const entry& e : all.entries)
    if (!e.wrong.empty()) {
      std::printf("WRONG: %s, net %s, %d threads: %s.\n", e.name.c_str(), e.net.c_str(), e.threads,
                  e.wrong.c_str());
      status = 1;
    }
  if (!o.json.empty() && !write_json(all, o.json)) {
    std::fprintf(stderr, "race: cannot write %s\n", o.json.c_str());
    return 1;
  }
  return status;
}
