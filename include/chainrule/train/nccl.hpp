/// \file
/// `nccl_ranks<B>`: ranks on NVIDIA's GPUs whose sums are NCCL's. Programs link NCCL (-lnccl).
///
///     run_ranks(argc, argv, [](communicator& c) {
///       const auto be = backend_of_rank<cuda>();
///       nccl_ranks<cuda> ranks(be, c);
///       ... t.fit(train, {.micro_batches = 8, .ranks = &ranks});
///     });
///
/// NCCL chooses the order in which it adds: all ranks get the same bits, but not those of another
/// number of ranks, nor always those of the last run. communicating_ranks (train/communicator.hpp)
/// gives the same bits for any number. This header is compiled by the tests where NCCL is found; it
/// has not run yet.
#ifndef CHAINRULE_TRAIN_NCCL_HPP
#define CHAINRULE_TRAIN_NCCL_HPP

#include <chrono>
#include <concepts>
#include <string>
#include <string_view>

#include <nccl.h>

#include "chainrule/backend/cuda.hpp"
#include "chainrule/train/communicator.hpp"

namespace chainrule {

/// A group of ranks, each with a GPU of its own, that agree by a communicator and add by NCCL.
template <backend B>
class nccl_ranks final : public rank_group<B> {
  using scalar = scalar_t<B>;

 public:
  /// Connects the GPUs of all ranks; `c` must outlive it. A sum that takes longer than `patience`
  /// seconds throws communication_error. Throws communication_error if NCCL fails.
  nccl_ranks(const B& be, communicator& c, double patience = 300)
      : agreement_(be, c), patience_(patience) {
    ncclUniqueId id;
    if (c.rank() == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
    c.broadcast(std::as_writable_bytes(std::span(&id, 1)), "the id of NCCL");
    check(ncclCommInitRank(&comm_, c.size(), id, c.rank()), "ncclCommInitRank");
  }
  ~nccl_ranks() override {
    if (comm_ != nullptr) ncclCommDestroy(comm_);
  }

  [[nodiscard]] int rank() const override { return agreement_.rank(); }
  [[nodiscard]] int size() const override { return agreement_.size(); }
  void require_agreement(const fit_agreement<B>& mine) override {
    agreement_.require_agreement(mine);
  }
  void require_equal(std::string_view what, std::span<const std::int32_t> numbers) override {
    agreement_.require_equal(what, numbers);
  }
  [[nodiscard]] bool any(bool mine) override { return agreement_.any(mine); }
  [[nodiscard]] std::string first_text(std::string_view mine) override {
    return agreement_.first_text(mine);
  }

  void sum(const B& be, matrix<B> row, int count) override {
    if (row.empty()) return;
    if (rank() >= count) be.map(fn::fill{0}, row);
    scalar* const address = static_cast<scalar*>(row.data().buffer) + row.data().offset;
    constexpr ncclDataType_t type = std::same_as<scalar, float> ? ncclFloat32 : ncclFloat64;
    const cudaStream_t stream = be.runtime()->stream();
    check(ncclAllReduce(address, address, static_cast<std::size_t>(row.cols()), type, ncclSum,
                        comm_, stream),
          "ncclAllReduce");
    wait(stream);
  }
  /// Every rank has the whole sum: NCCL's own algorithms already share the work.
  void sum_piece(const B& be, matrix<B> row, int count) override { sum(be, row, count); }
  void gather_pieces(const B&, matrix<B>) override {}
  [[nodiscard]] row_range piece(index_t n) const override { return {0, n}; }

 private:
  void wait(cudaStream_t stream) {
    const auto begin = std::chrono::steady_clock::now();
    for (cudaError_t state = cudaStreamQuery(stream); state != cudaSuccess;
         state = cudaStreamQuery(stream)) {
      if (state != cudaErrorNotReady)
        detail::fail<communication_error>("CUDA failed in a sum over ranks: ",
                                          cudaGetErrorString(state));
      ncclResult_t of_others = ncclSuccess;
      check(ncclCommGetAsyncError(comm_, &of_others), "ncclCommGetAsyncError");
      const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - begin;
      if (of_others == ncclSuccess && (patience_ == 0 || waited.count() <= patience_)) continue;
      ncclCommAbort(comm_);
      comm_ = nullptr;
      check(of_others, "a sum over ranks");
      detail::fail<communication_error>("a sum over ranks has taken ", patience_,
                                        " s; start again from the last checkpoint");
    }
  }
  static void check(ncclResult_t status, const char* what) {
    if (status != ncclSuccess)
      detail::fail<communication_error>("NCCL failed in ", what, ": ", ncclGetErrorString(status));
  }

  communicating_ranks<B> agreement_;
  double patience_;
  ncclComm_t comm_ = nullptr;
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_NCCL_HPP
