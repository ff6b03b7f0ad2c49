/// \file
/// `communicator`: messages between the processes ("ranks") of one training, and
/// `communicating_ranks<B>`, what `fit` makes of them.
///
///     communicating_ranks<cpu> ranks(be, communicator);
///     t.fit(train, {.epochs = 10, .micro_batches = 8, .ranks = &ranks});     // on every rank
///
/// train/mpi.hpp has a communicator over MPI. Another one implements rank, size and exchange.
#ifndef CHAINRULE_TRAIN_COMMUNICATOR_HPP
#define CHAINRULE_TRAIN_COMMUNICATOR_HPP

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chainrule/core/checksum.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/micro_batches.hpp"
#include "chainrule/train/rank_group.hpp"

namespace chainrule {

class communicator {
 public:
  communicator() = default;
  communicator(const communicator&) = delete;
  communicator& operator=(const communicator&) = delete;
  virtual ~communicator() = default;

  /// The number of this process: 0, ..., size() - 1.
  [[nodiscard]] virtual int rank() const = 0;
  /// The number of processes.
  [[nodiscard]] virtual int size() const = 0;
  /// Sends sends[r] to each rank r, and assigns what rank r sends to receives[r]. Both have size()
  /// spans; empty ones are not sent, and those of this rank are left alone. All ranks call it in
  /// the same order, with lengths that agree. `what` says in an error what was waited for. Throws
  /// communication_error if a rank does not answer in time.
  virtual void exchange(std::span<const std::span<const std::byte>> sends,
                        std::span<const std::span<std::byte>> receives, const char* what) = 0;
  /// Whether exchange may be given addresses in a CUDA device's memory.
  [[nodiscard]] virtual bool takes_device_memory() const { return false; }
  /// The greatest number of all ranks.
  [[nodiscard]] virtual std::int64_t maximum(std::int64_t mine, const char* what) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(size()), mine);
    gather_all(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(all)), what);
    for (const std::int64_t x : all) mine = x > mine ? x : mine;
    return mine;
  }

  /// Assigns the bytes of all ranks, which are as many on each, to `all`, in the order of ranks.
  void gather_all(std::span<const std::byte> mine, std::span<std::byte> all, const char* what) {
    const auto count = static_cast<std::size_t>(size());
    const std::vector<std::span<const std::byte>> sends(count, mine);
    std::vector<std::span<std::byte>> receives(count);
    for (std::size_t r = 0; r < count; ++r) receives[r] = all.subspan(r * mine.size(), mine.size());
    if (!mine.empty())
      std::memcpy(receives[static_cast<std::size_t>(rank())].data(), mine.data(), mine.size());
    exchange(sends, receives, what);
  }
  /// Assigns the bytes of rank 0 to those of all ranks, which are as many.
  void broadcast(std::span<std::byte> bytes, const char* what) {
    const auto count = static_cast<std::size_t>(size());
    std::vector<std::span<const std::byte>> sends(count);
    std::vector<std::span<std::byte>> receives(count);
    if (rank() == 0)
      std::fill(sends.begin(), sends.end(), bytes);
    else
      receives[0] = bytes;
    exchange(sends, receives, what);
  }
  /// The texts of all ranks.
  [[nodiscard]] std::vector<std::string> gather_texts(std::string_view mine, const char* what) {
    const auto longest =
        static_cast<std::size_t>(maximum(static_cast<std::int64_t>(mine.size()), what));
    std::string padded(mine);
    padded.resize(longest, '\0');
    std::string all(longest * static_cast<std::size_t>(size()), '\0');
    gather_all(std::as_bytes(std::span(padded)), std::as_writable_bytes(std::span(all)), what);
    std::vector<std::string> texts;
    for (int r = 0; r < size(); ++r) {
      texts.push_back(all.substr(static_cast<std::size_t>(r) * longest, longest));
      texts.back().resize(texts.back().find_last_not_of('\0') + 1);
    }
    return texts;
  }
};

/// A group of ranks whose messages a communicator carries.
template <backend B>
class communicating_ranks final : public rank_group<B> {
  using scalar = scalar_t<B>;
  static constexpr bool in_host_memory = requires { requires B::host_memory; };
  static constexpr bool has_addresses = requires(matrix<B> m) {
    requires std::same_as<decltype(m.data().buffer), void*>;
  };

 public:
  /// For networks on the backend of that type. `c` must outlive it.
  communicating_ranks(const B&, communicator& c)
      : c_(&c),
        sends_(static_cast<std::size_t>(c.size())),
        receives_(static_cast<std::size_t>(c.size())) {}

  [[nodiscard]] int rank() const override { return c_->rank(); }
  [[nodiscard]] int size() const override { return c_->size(); }

  void require_agreement(const fit_agreement<B>& mine) override {
    const B& be = mine.net->backend();
    std::string arithmetic = be.name();
    if constexpr (requires { be.isa(); }) arithmetic = std::string(name_of(be.isa()));
    if constexpr (requires { be.info().name; }) arithmetic += ", " + be.info().name;
    require_same("the type of numbers",
                 detail::concat(sizeof(scalar) * 8, " bits on ", std::string_view(arithmetic)));
    require_same("the loss", mine.loss);
    require_same("the optimizer", detail::concat(mine.optimizer->name(), ", learning rate ",
                                                 mine.optimizer->rate()));
    require_same("the options of fit", mine.options);
    require_same("the progress of the training", mine.progress);
    require_same("the network", to_string(mine.net->describe()));
    require_same("the parameters", checksum(be, mine.net->parameters()));
    std::string state;
    for (const arena<B>& s : mine.optimizer->state()) state += checksum(be, s);
    require_same("the state of the optimizer", state);
    require_same("the training data", checksum(*mine.data));
    require_same("the validation data",
                 mine.validation == nullptr ? "none" : checksum(*mine.validation));
  }

  void require_equal(std::string_view what, std::span<const std::int32_t> numbers) override {
    require_same(what, checksum(std::as_bytes(numbers)));
  }

  [[nodiscard]] bool any(bool mine) override {
    return c_->maximum(mine ? 1 : 0, "the decision whether to go on") != 0;
  }

  [[nodiscard]] std::string first_text(std::string_view mine) override {
    if (!any(!mine.empty())) return {};
    for (std::string& text : c_->gather_texts(mine, "the reason to stop"))
      if (!text.empty()) return std::move(text);
    return {};
  }

  void sum(const B& be, matrix<B> row, int count) override {
    sum_piece(be, row, count);
    gather_pieces(be, row);
  }

  void sum_piece(const B& be, matrix<B> row, int count) override {
    if (size() == 1) return;
    make_room(be, row.cols());
    if (is_halving()) return sum_by_halves(be, row, count);
    const row_range mine = piece(row.cols());
    const bool sends = rank() < count;
    // Contributions of ranks to this rank's piece, a row each.
    const matrix<B> rows = received_.view();
    const bool is_whole = is_small(row.cols());  // all pieces are the row
    const auto all = sends && is_whole ? to_send(be, row, mine) : std::span<const std::byte>{};
    for_each_rank([&](int r, std::size_t at) {
      if (r == rank()) return;
      sends_[at] = sends && !is_whole ? to_send(be, row, piece_of(r, row.cols())) : all;
      receives_[at] = r < count ? to_receive(rows.block(r, 0, 1, mine.count), r * mine.count)
                                : std::span<std::byte>{};
    });
    be.synchronize();  // of a rank without a share too: what it receives may be still in use
    c_->exchange(sends_, receives_, sum_of_gradients);
    const auto g = [&](index_t r) {
      return r == rank() ? row.block(0, mine.first, 1, mine.count)
                         : rows.block(r, 0, 1, mine.count);
    };
    if (mine.count == 0) return;
    for (int r = 0; r < count; ++r)
      if (r != rank()) received(be, rows.block(r, 0, 1, mine.count), r * mine.count);
    detail::add_rows(be, count, g);
    if (rank() != 0) be.copy(g(rank()), const_matrix<B>(g(0)));
  }

  void gather_pieces(const B& be, matrix<B> row) override {
    if (size() == 1 || is_small(row.cols())) return;
    make_room(be, row.cols());
    if (is_halving()) return gather_by_halves(be, row);
    const auto block = [&](row_range r) { return row.block(0, r.first, 1, r.count); };
    const row_range mine = piece(row.cols());
    const auto own = to_send(be, row, mine);
    for_each_rank([&](int r, std::size_t at) {
      const row_range theirs = piece_of(r, row.cols());
      sends_[at] = own;
      receives_[at] = to_receive(block(theirs), theirs.first);
    });
    be.synchronize();
    c_->exchange(sends_, receives_, parameters_of_others);
    for (int r = 0; r < size(); ++r) {
      const row_range theirs = piece_of(r, row.cols());
      if (r != rank()) received(be, block(theirs), theirs.first);
    }
  }

  [[nodiscard]] row_range piece(index_t n) const override { return piece_of(rank(), n); }

 private:
  static constexpr const char* sum_of_gradients = "the sum of gradients";
  static constexpr const char* parameters_of_others = "the parameters of the other ranks";

  /// A row that is sent whole, since one exchange is faster than two.
  [[nodiscard]] static bool is_small(index_t n) { return n <= 1024; }
  /// Whether ranks exchange with one other at a time, at distance 1, 2, 4, ..., else each with all
  /// others at once. From 32 ranks on that is faster, since a rank sends fewer messages.
  [[nodiscard]] bool is_halving() const { return size() >= 8 && (size() & (size() - 1)) == 0; }

  /// Elements of `count` places from the first one, of a row of n that is cut into size() places.
  [[nodiscard]] row_range places(int first, int count, index_t n) const {
    constexpr index_t line = 64 / sizeof(scalar);  // pieces share no cache line
    const index_t lines = (n + line - 1) / line;
    const auto end = [&](index_t i) { return std::min(n, lines * i / size() * line); };
    return {end(first), end(first + count) - end(first)};
  }
  [[nodiscard]] row_range piece_of(int r, index_t n) const {
    if (is_small(n)) return {0, n};
    return places(place_of(r), 1, n);
  }
  /// Which of size() places of a row is the piece of rank r.
  [[nodiscard]] int place_of(int r) const {
    if (!is_halving()) return r;
    int place = 0;  // the first exchange chooses the half, the next one the quarter
    for (int d = 1; d < size(); d *= 2) place = 2 * place + ((r & d) != 0 ? 1 : 0);
    return place;
  }

  /// sum_piece, where the ranks that exchange at distance d have the sums of d neighbours each, of
  /// a part of the row. Both keep half of it.
  void sum_by_halves(const B& be, matrix<B> row, int count) {
    const bool splits = !is_small(row.cols());
    const auto block = [&](row_range r) { return row.block(0, r.first, 1, r.count); };
    row_range kept{0, row.cols()}, given = kept;
    for (int d = 1, first = 0, width = size(); d < size(); d *= 2) {
      const int other = rank() ^ d;
      const bool has_mine = (rank() & -d) < count, has_theirs = (other & -d) < count;
      if (splits) {
        width /= 2;
        const int upper = first + width;
        given = places(rank() < other ? upper : first, width, row.cols());
        if (rank() > other) first = upper;
        kept = places(first, width, row.cols());
      }
      const matrix<B> theirs = received_.view().block(0, 0, 1, kept.count);
      exchange_with(other, be, row, has_mine ? given : row_range{},
                    has_theirs ? to_receive(theirs, 0) : std::span<std::byte>{}, sum_of_gradients);
      if (!has_theirs || kept.count == 0) continue;
      received(be, theirs, 0);
      const matrix<B> mine = block(kept);
      if (!has_mine)
        be.copy(mine, const_matrix<B>(theirs));
      else if (rank() < other)
        be.map(fn::plus{}, mine, mine, theirs);
      else
        be.map(fn::plus{}, mine, theirs, mine);
    }
  }
  /// gather_pieces by the exchanges of sum_by_halves in reverse: each doubles what a rank has.
  void gather_by_halves(const B& be, matrix<B> row) {
    for (int d = size() / 2, width = 1; d > 0; d /= 2, width *= 2) {
      const int other = rank() ^ d;
      const row_range mine = places(place_of(rank()) & -width, width, row.cols());
      const row_range theirs = places(place_of(other) & -width, width, row.cols());
      const matrix<B> to = row.block(0, theirs.first, 1, theirs.count);
      exchange_with(other, be, row, mine, to_receive(to, theirs.first), parameters_of_others);
      received(be, to, theirs.first);
    }
  }
  /// Sends elements of the row to another rank, and receives what it sends.
  void exchange_with(int other, const B& be, matrix<B> row, row_range mine, std::span<std::byte> to,
                     const char* what) {
    for_each_rank([&](int r, std::size_t at) {
      sends_[at] = r == other ? to_send(be, row, mine) : std::span<const std::byte>{};
      receives_[at] = r == other ? to : std::span<std::byte>{};
    });
    be.synchronize();
    c_->exchange(sends_, receives_, what);
  }
  template <class F>
  void for_each_rank(const F& f) {
    for (int r = 0; r < size(); ++r) f(r, static_cast<std::size_t>(r));
  }

  /// Memory for what is received of a row of n elements, and where the backend's memory is not the
  /// host's, for the row and for what is received.
  void make_room(const B& be, index_t n) {
    index_t rows = 1, most = is_small(n) ? n : 0;
    if (!is_halving()) {
      rows = size();
      for (int r = 0; r < size(); ++r) most = std::max(most, piece_of(r, n).count);
    } else if (!is_small(n)) {
      const int half = size() / 2;
      most = std::max(places(0, half, n).count, places(half, half, n).count);
    }
    if (received_.cols() < most) received_ = tensor<B>(be, rows, most);
    if (is_staged()) {
      const auto needed = static_cast<std::size_t>(std::max(n, most * rows));
      if (host_in_.size() < needed) host_in_.resize(needed), host_out_.resize(needed);
    }
  }
  [[nodiscard]] std::span<const std::byte> to_send(const B& be, matrix<B> row, row_range r) {
    const auto size = static_cast<std::size_t>(r.count);
    if (!is_staged()) return std::as_bytes(std::span(address(row) + r.first, size));
    scalar* const to = host_out_.data() + r.first;
    if (r.count > 0)
      be.download(matrix_view<scalar>(to, 1, r.count),
                  const_matrix<B>(row.block(0, r.first, 1, r.count)));
    return std::as_bytes(std::span(to, size));
  }
  /// Whether messages go through the host's memory.
  [[nodiscard]] bool is_staged() const {
    return !in_host_memory && !(has_addresses && c_->takes_device_memory());
  }
  /// The first element of a row, where it has an address.
  [[nodiscard]] static scalar* address([[maybe_unused]] matrix<B> row) {
    if constexpr (in_host_memory)
      return row.data();
    else if constexpr (has_addresses)
      return static_cast<scalar*>(row.data().buffer) + row.data().offset;
    else
      return nullptr;
  }
  /// Where to receive what is for `to`; in the host's memory from element `at` of host_in_.
  [[nodiscard]] std::span<std::byte> to_receive(matrix<B> to, index_t at) {
    const auto size = static_cast<std::size_t>(to.cols());
    if (!is_staged()) return std::as_writable_bytes(std::span(address(to), size));
    return std::as_writable_bytes(std::span(host_in_).subspan(static_cast<std::size_t>(at), size));
  }
  /// Copies what was received to `to`, where that is not done.
  void received(const B& be, matrix<B> to, index_t at) {
    if (is_staged() && to.cols() > 0)
      be.upload(to, matrix_view<const scalar>(host_in_.data() + at, 1, to.cols()));
  }

  /// Throws value_error, on every rank, unless all give the same text.
  void require_same(std::string_view name, std::string_view mine) {
    const std::vector<std::string> all = c_->gather_texts(mine, "the comparison of ranks");
    for (std::size_t r = 1; r < all.size(); ++r) {
      if (all[r] == all[0]) continue;
      const auto [theirs, first] = where_they_differ(all[r], all[0]);
      detail::fail<value_error>("rank ", r, " differs from rank 0 in ", name, ": ", theirs,
                                ", on rank 0 ", first, "; give all ranks the same");
    }
  }
  /// The first parts, between commas, in which two texts differ.
  [[nodiscard]] static std::pair<std::string_view, std::string_view> where_they_differ(
      std::string_view a, std::string_view b) {
    for (;;) {
      const std::size_t end_a = a.find(", "), end_b = b.find(", ");
      const auto first_a = a.substr(0, end_a), first_b = b.substr(0, end_b);
      if (first_a != first_b) return {first_a, first_b};
      if (end_a == a.npos) return {"nothing more", b.substr(end_b + 2)};
      if (end_b == b.npos) return {a.substr(end_a + 2), "nothing more"};
      a.remove_prefix(end_a + 2), b.remove_prefix(end_b + 2);
    }
  }

  [[nodiscard]] static std::string checksum(std::span<const std::byte> bytes) {
    return detail::concat(bytes.size(), " bytes with checksum ", crc32_text(crc32_of(bytes)));
  }
  [[nodiscard]] static std::string checksum(const B& be, const arena<B>& a) {
    const std::vector<scalar> host = to_host(be, a.all());
    return checksum(std::as_bytes(std::span(host)));
  }
  [[nodiscard]] static std::string checksum(const dataset<B>& data) {
    crc32_sum sum;
    data.visit_bytes([&](std::span<const std::byte> bytes) { sum.add(bytes); });
    return detail::concat(data.count(), " samples of ", data.features(), " features and ",
                          data.classes(), " classes with checksum ", crc32_text(sum.value()));
  }

  communicator* c_;
  std::vector<std::span<const std::byte>> sends_;
  std::vector<std::span<std::byte>> receives_;
  tensor<B> received_;
  std::vector<scalar> host_in_, host_out_;
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_COMMUNICATOR_HPP
