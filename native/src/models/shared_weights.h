// Weights of which every rank holds a part (ZeRO-3, arXiv 1910.02054; PyTorch's FSDP): masters of its own, in f32 where its
// optimiser updates them, and for computing a copy as products read it, brought together when it is needed:
//  - while gradients are computed a unit at a time: a layer when its turn comes, forward and once more backward;
//  - else, for rollouts and scoring, the whole, until the next gradient. Rollouts read every weight for every token, so
//    a layer at a time would send all weights for each of them; and what gradients need besides weights is not there yet.
// A frozen reference, which only scores, is brought together a unit at a time alone: its masters are bf16 where its copies are.
// Gains are so few that every rank has all of them, always.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/shares.h"
#include "core/tensor_table.h"

namespace llasa {

class SharedWeights final : public TableStore {
 public:
  // Takes this rank's part of a table's values, in f32 or, where that is all there is, bf16; the table hands over to this
  // then. world NULL: as the last of so
  // many ranks, for a memory plan. units: as Shares, whole tensors each; the first and the last are used apart from all
  // between, of which one at a time is.
  SharedWeights(Stream& stream, const TensorTable& table, const std::vector<int64_t>& units,
                std::shared_ptr<Collective> world, int ranks);

  const Shares& shares() const { return shares_; }
  const std::shared_ptr<Collective>& world() const { return world_; }
  float* masters() { return masters_.data(); }  // [shares().own_count()]; NULL where they are bf16
  // Units that hold a matrix share memory with others: which one.
  bool is_edge(int64_t unit) const {
    return unit == 0 || (unit + 1 == shares_.units() && has_matrix_.back());
  }

  // Every rank makes these calls in the same order.
  // A unit's copy is there until another one takes its place.
  void bring(int64_t unit);
  // All units' copies are there until drop().
  void gather();
  // Whether any rank says so.
  bool anyone(bool says) const;
  // After masters() changed: the gains follow, and copies are gone.
  void refresh();

  bool is_whole() const { return whole_.data() != nullptr; }
  // Frees all copies. Of this rank alone.
  void drop();

  // TableStore. load is a call that every rank makes.
  WeightView matrix(int64_t offset) const override;
  const float* vector(int64_t offset) const override;
  void store(Stream& stream, const TensorSpec& spec, int64_t i, const float* values, int64_t n) override;
  void load(Stream& stream, const TensorSpec& spec, int64_t i, float* values, int64_t n) const override;

 private:
  // One unit's copy at a time.
  struct Slot {
    DeviceBuffer<char> copy;
    int64_t unit = -1;
    int64_t longest = 0;  // elements of the units that come here
  };
  struct Vector {
    int64_t offset, size, index;
  };

  Slot& slot_of(int64_t unit) { return slots_[is_edge(unit) ? 0 : 1]; }
  void fill(int64_t unit, char* copy);

  Stream& stream_;
  std::shared_ptr<Collective> world_;
  Shares shares_;
  bool bf16_;        // a copy
  bool narrow_;      // the masters as well
  int64_t element_;  // bytes of one in a copy
  std::vector<bool> has_matrix_;
  DeviceBuffer<float> masters_;  // or
  DeviceBuffer<Bf16> narrow_masters_;
  std::vector<Vector> gains_;
  std::unordered_map<int64_t, int64_t> index_of_;  // of gains, by offset
  DeviceBuffer<float> vectors_;
  DeviceBuffer<char> whole_;
  Slot slots_[2];  // of edges, of the units between
};

}  // namespace llasa
