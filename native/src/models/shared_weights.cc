#include "models/shared_weights.h"

#include <algorithm>

#include "core/convert.h"
#include "ops/cast.h"

namespace llasa {

namespace {

constexpr int64_t kBytes = sizeof(float);
constexpr const char* kWhat = "the policy's weights, brought together";

}  // namespace

SharedWeights::SharedWeights(Stream& stream, const TensorTable& table, const std::vector<int64_t>& units,
                             std::shared_ptr<Collective> world, int ranks)
    : stream_(stream),
      world_(std::move(world)),
      shares_(units, world_ == nullptr ? ranks - 1 : world_->rank(),
              world_ == nullptr ? ranks : world_->size()),
      bf16_(table.storage() != Storage::kF32),
      narrow_(table.storage() == Storage::kBf16),
      element_(bf16_ ? static_cast<int64_t>(sizeof(Bf16)) : kBytes),
      has_matrix_(static_cast<size_t>(shares_.units())) {
  int64_t gains = 0;
  for (const TensorSpec& spec : table.specs()) {
    if (spec.is_matrix) {
      has_matrix_[static_cast<size_t>(shares_.unit_of(spec.offset))] = true;
      continue;
    }
    gains_.push_back({spec.offset, spec.size, gains});
    index_of_[spec.offset] = gains;
    gains += (spec.size + 15) / 16 * 16;
  }
  constexpr const char* kOwn = "this rank's weights";
  if (narrow_)
    narrow_masters_.reserve(shares_.own_count(), kOwn);
  else
    masters_.reserve(shares_.own_count(), kOwn);
  for (int64_t u = 0; u < shares_.units(); ++u) {
    const Shard own = shares_.own(u);
    if (own.count() > 0 && narrow_)
      copy_on_device(stream_, narrow_masters_.data() + shares_.start(u), table.bf16() + own.begin,
                     own.count() * element_);
    else if (own.count() > 0)
      copy_on_device(stream_, masters_.data() + shares_.start(u), table.data() + own.begin,
                     own.count() * kBytes);
    if (!has_matrix_[static_cast<size_t>(u)]) continue;
    Slot& slot = slot_of(u);
    slot.longest = std::max(slot.longest, shares_.count(u));
  }
  vectors_.reserve(gains, "the policy's gains");
  zero_on_device(stream_, vectors_.data(), gains * kBytes);
  for (const Vector& gain : gains_)
    copy_on_device(stream_, vectors_.data() + gain.index, table.vector(gain.offset), gain.size * kBytes);
  stream_.synchronize();  // the table frees what was read
}

void SharedWeights::fill(int64_t unit, char* copy) {
  const Shard own = shares_.own(unit);
  const int64_t first = own.begin - shares_.begin(unit);
  const float* masters = masters_.data() + shares_.start(unit);
  if (own.count() > 0 && narrow_) {
    copy_on_device(stream_, copy + first * element_, narrow_masters_.data() + shares_.start(unit),
                   own.count() * element_);
  } else if (own.count() > 0 && bf16_) {
    narrow_to_bf16(stream_, masters, own.count(), reinterpret_cast<Bf16*>(copy) + first, 1, own.count());
  } else if (own.count() > 0) {
    copy_on_device(stream_, copy + first * kBytes, masters, own.count() * kBytes);
  }
  if (world_ != nullptr) world_->all_gather(stream_, copy, shares_.count(unit), element_);
}

void SharedWeights::bring(int64_t unit) {
  if (is_whole() || !has_matrix_[static_cast<size_t>(unit)]) return;
  Slot& slot = slot_of(unit);
  if (slot.unit == unit) return;
  slot.unit = -1;
  fill(unit, slot.copy.reserve(slot.longest * element_, kWhat));
  slot.unit = unit;
}

void SharedWeights::gather() {
  if (is_whole()) return;
  drop();
  DeviceBuffer<char> whole(shares_.count() * element_, kWhat);
  for (int64_t u = 0; u < shares_.units(); ++u) fill(u, whole.data() + shares_.begin(u) * element_);
  whole_ = std::move(whole);
}

void SharedWeights::drop() {
  if (is_whole() || slots_[0].unit >= 0 || slots_[1].unit >= 0) stream_.synchronize();
  whole_ = {};
  for (Slot& slot : slots_) {
    slot.copy = {};
    slot.unit = -1;
  }
}

bool SharedWeights::anyone(bool says) const {
  if (world_ == nullptr) return says;
  std::vector<char> all(static_cast<size_t>(shares_.ranks()));
  const char mine = says;
  world_->all_gather(&mine, std::vector<int64_t>(all.size(), 1), all.data());
  return std::any_of(all.begin(), all.end(), [](char one) { return one != 0; });
}

// Each number is one rank's, and the others' is zero.
void SharedWeights::refresh() {
  drop();
  const int64_t count = gains_.back().index + (gains_.back().size + 15) / 16 * 16;
  zero_on_device(stream_, vectors_.data(), count * kBytes);
  for (const Vector& gain : gains_) {
    const int64_t unit = shares_.unit_of(gain.offset);
    const Shard own = shares_.own(unit);
    const int64_t first = std::clamp(own.begin, gain.offset, gain.offset + gain.size);
    const int64_t end = std::clamp(own.end, first, gain.offset + gain.size);
    if (end > first)
      copy_on_device(stream_, vectors_.data() + gain.index + (first - gain.offset),
                     masters_.data() + shares_.start(unit) + (first - own.begin), (end - first) * kBytes);
  }
  if (world_ != nullptr) world_->all_reduce(stream_, vectors_.data(), count);
}

WeightView SharedWeights::matrix(int64_t offset) const {
  const int64_t unit = shares_.unit_of(offset);
  const Slot& slot = slots_[is_edge(unit) ? 0 : 1];
  LLASA_CHECK(is_whole() || slot.unit == unit, Status::kState,
              "the weights are shared out over %d ranks: bring them together first (llasa_policy_gather)",
              shares_.ranks());
  const char* copy = is_whole() ? whole_.data() : slot.copy.data();
  const int64_t place = is_whole() ? offset : offset - shares_.begin(unit);
  return bf16_ ? WeightView(reinterpret_cast<const Bf16*>(copy) + place)
               : WeightView(reinterpret_cast<const float*>(copy) + place);
}

const float* SharedWeights::vector(int64_t offset) const {
  return vectors_.data() + index_of_.at(offset);
}

void SharedWeights::store(Stream& stream, const TensorSpec& spec, int64_t i, const float* values, int64_t n) {
  drop();
  if (!spec.is_matrix)
    copy_to_device(stream, vectors_.data() + index_of_.at(spec.offset) + i, values, n * kBytes);
  if (!narrow_) {
    shares_.write(stream, masters_.data(), spec.offset + i, n, values);
  } else if (spec.is_matrix) {
    std::vector<Bf16> rounded(static_cast<size_t>(n));
    narrow(DType::kBf16, values, rounded.data(), n);
    shares_.write(stream, narrow_masters_.data(), spec.offset + i, n, rounded.data());
  }
}

void SharedWeights::load(Stream& stream, const TensorSpec& spec, int64_t i, float* values, int64_t n) const {
  if (!spec.is_matrix) {
    copy_to_host(stream, values, vectors_.data() + index_of_.at(spec.offset) + i, n * kBytes);
    return;
  }
  if (!narrow_) {
    shares_.read(world_.get(), stream, masters_.data(), spec.offset + i, n, values);
    return;
  }
  std::vector<Bf16> rounded(static_cast<size_t>(n));
  shares_.read(world_.get(), stream, narrow_masters_.data(), spec.offset + i, n, rounded.data());
  widen(DType::kBf16, rounded.data(), values, n);
}

}  // namespace llasa
