#include "models/gradients.h"

#include <algorithm>

#include "ops/activation.h"

namespace llasa {

SharedGradients::Slot& SharedGradients::open(int64_t unit) {
  const Shares& shares = weights_.shares();
  const bool edge = weights_.is_edge(unit);
  Slot& slot = slots_[edge ? 0 : 1];
  if (slot.unit == unit) return slot;
  LLASA_CHECK(slot.unit < 0, Status::kInternal, "unit %lld has gradients while unit %lld is not finished",
              static_cast<long long>(unit), static_cast<long long>(slot.unit));
  int64_t longest = 0;
  for (int64_t u = 0; u < shares.units(); ++u) {
    if (weights_.is_edge(u) == edge) longest = std::max(longest, shares.count(u));
  }
  slot.values.reserve(longest, "gradients of a layer");
  zero_on_device(stream_, slot.values.data(), shares.count(unit) * static_cast<int64_t>(sizeof(float)));
  slot.unit = unit;
  return slot;
}

float* SharedGradients::at(int64_t place) {
  const int64_t unit = weights_.shares().unit_of(place);
  return open(unit).values.data() + (place - weights_.shares().begin(unit));
}

void SharedGradients::finish(int64_t unit) {
  const Shares& shares = weights_.shares();
  Slot& slot = open(unit);
  float* values = slot.values.data();
  if (Collective* world = weights_.world().get()) world->reduce_scatter(stream_, values, shares.count(unit));
  const Shard own = shares.own(unit);
  float* sums = sums_ + shares.start(unit);
  if (own.count() > 0)
    add_forward(stream_, sums, values + (own.begin - shares.begin(unit)), sums, own.count());
  slot.unit = -1;
}

void SharedGradients::release() {
  stream_.synchronize();
  for (Slot& slot : slots_) slot = {};
}

}  // namespace llasa
