// How a flat array is shared out over ranks: it is cut into units, and of each unit every rank owns a part (Shard). A
// rank keeps its parts one behind another, in an array of its own. One unit is ZeRO-1's cut; a unit for each layer lets
// a layer be brought together alone.
#pragma once

#include <cstdint>
#include <vector>

#include "core/collective.h"

namespace llasa {

class Shares {
 public:
  // bounds: where each unit begins, in order, and where the last one ends.
  Shares(std::vector<int64_t> bounds, int rank, int ranks);

  int rank() const { return rank_; }
  int ranks() const { return ranks_; }
  int64_t units() const { return static_cast<int64_t>(bounds_.size()) - 1; }
  int64_t begin(int64_t unit) const { return bounds_[static_cast<size_t>(unit)]; }
  int64_t count(int64_t unit) const { return begin(unit + 1) - begin(unit); }
  // The whole array's.
  int64_t count() const { return bounds_.back() - bounds_.front(); }
  int64_t unit_of(int64_t place) const;

  // What a rank owns of a unit, as places in the flat array.
  Shard part(int64_t unit, int rank) const;
  Shard own(int64_t unit) const { return part(unit, rank_); }
  // Elements of this rank's array, and where its part of a unit begins in there.
  int64_t own_count() const { return starts_.back(); }
  int64_t start(int64_t unit) const { return starts_[static_cast<size_t>(unit)]; }

  // Elements [place, place + count) of one unit, whole on the host: from all ranks' arrays `own`, which is a collective...
  // T: float or Bf16.
  template <typename T>
  void read(Collective* world, Stream& stream, const T* own, int64_t place, int64_t count, T* out) const;
  // ... and this rank's part of them into its own.
  template <typename T>
  void write(Stream& stream, T* own, int64_t place, int64_t count, const T* values) const;

 private:
  // Of a range, what a rank owns.
  Shard overlap(int64_t place, int64_t count, int rank) const;
  int64_t index(int64_t place, int64_t unit) const { return start(unit) + place - own(unit).begin; }

  std::vector<int64_t> bounds_;
  int rank_, ranks_;
  std::vector<int64_t> starts_;
};

}  // namespace llasa
