#include "core/shares.h"

#include <algorithm>

#include "core/weight_view.h"

namespace llasa {

Shares::Shares(std::vector<int64_t> bounds, int rank, int ranks)
    : bounds_(std::move(bounds)), rank_(rank), ranks_(ranks), starts_{0} {
  for (int64_t u = 0; u < units(); ++u) starts_.push_back(starts_.back() + own(u).count());
}

int64_t Shares::unit_of(int64_t place) const {
  return std::upper_bound(bounds_.begin() + 1, bounds_.end() - 1, place) - bounds_.begin() - 1;
}

Shard Shares::part(int64_t unit, int rank) const {
  const Shard shard = Shard::of(count(unit), rank, ranks_);
  return {begin(unit) + shard.begin, begin(unit) + shard.end};
}

Shard Shares::overlap(int64_t place, int64_t count, int rank) const {
  const Shard owned = part(unit_of(place), rank);
  const int64_t first = std::clamp(owned.begin, place, place + count);
  return {first, std::clamp(owned.end, first, place + count)};
}

template <typename T>
void Shares::read(Collective* world, Stream& stream, const T* own, int64_t place, int64_t count,
                  T* out) const {
  constexpr int64_t kBytes = sizeof(T);
  const Shard mine = overlap(place, count, rank_);
  T* target = out + (mine.begin - place);
  if (mine.count() > 0)
    copy_to_host(stream, target, own + index(mine.begin, unit_of(place)), mine.count() * kBytes);
  if (world == nullptr) return;
  std::vector<int64_t> sizes;
  for (int r = 0; r < ranks_; ++r) sizes.push_back(overlap(place, count, r).count() * kBytes);
  world->all_gather(target, sizes, out);
}

template <typename T>
void Shares::write(Stream& stream, T* own, int64_t place, int64_t count, const T* values) const {
  constexpr int64_t kBytes = sizeof(T);
  const Shard mine = overlap(place, count, rank_);
  if (mine.count() > 0)
    copy_to_device(stream, own + index(mine.begin, unit_of(place)), values + (mine.begin - place),
                   mine.count() * kBytes);
}

template void Shares::read(Collective*, Stream&, const float*, int64_t, int64_t, float*) const;
template void Shares::read(Collective*, Stream&, const Bf16*, int64_t, int64_t, Bf16*) const;
template void Shares::write(Stream&, float*, int64_t, int64_t, const float*) const;
template void Shares::write(Stream&, Bf16*, int64_t, int64_t, const Bf16*) const;

}  // namespace llasa
