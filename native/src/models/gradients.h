// Where a pass adds the gradients of a policy's parameters.
#pragma once

#include <cstdint>

#include "core/device.h"
#include "models/shared_weights.h"

namespace llasa {

// In a flat array laid out as policy.trainable().
class Gradients {
 public:
  explicit Gradients(float* flat) : flat_(flat) {}
  virtual ~Gradients() = default;
  Gradients(const Gradients&) = delete;
  Gradients& operator=(const Gradients&) = delete;

  float* flat() { return flat_; }
  // What belongs to the parameter at a place of that layout.
  virtual float* at(int64_t place) { return flat_ + place; }
  // This pass adds no more to a unit of the policy (LlamaLayout).
  virtual void finish(int64_t) {}

 private:
  float* flat_;
};

// Of weights that are shared out: those of one unit at a time, or two where one is an edge. When a unit is finished the
// ranks' are added up, each rank's part by itself. Every rank finishes the same units in the same order.
class SharedGradients final : public Gradients {
 public:
  // sums [shares().own_count()]: added to; outlives this, as the others do.
  SharedGradients(Stream& stream, SharedWeights& weights, float* sums)
      : Gradients(nullptr), stream_(stream), weights_(weights), sums_(sums) {}

  float* at(int64_t place) override;
  void finish(int64_t unit) override;
  // Frees the units' gradients; those that are not finished are lost.
  void release();

 private:
  struct Slot {
    DeviceBuffer<float> values;
    int64_t unit = -1;
  };

  Slot& open(int64_t unit);

  Stream& stream_;
  SharedWeights& weights_;
  float* sums_;
  Slot slots_[2];
};

}  // namespace llasa
