// AdamW's moments of the parameters that a trainer updates: on the device, or in page-locked memory of the host, from
// where a step takes them over the bus in pieces and brings them back. The numbers are the same to the bit; the device
// has 8 bytes a parameter more room, and a step waits for 16 bytes a parameter of traffic.
//
// Why not on the device in 8 bits (arXiv 2110.02861): it saves as much but for 2 bytes, and a step's change of a second
// moment, a thousandth of it, is less than half the distance of two numbers of 8 bits: most would never be made.
#pragma once

#include <cstdint>

#include "core/device.h"
#include "ops/optimizer.h"

namespace llasa {

class Moments {
 public:
  static constexpr int64_t kPiece = int64_t{1} << 24;

  // All zero. piece: elements of each moment on their way at a time.
  Moments(Stream& stream, int64_t count, bool on_host, int64_t piece = kPiece);
  ~Moments();
  Moments(const Moments&) = delete;
  Moments& operator=(const Moments&) = delete;

  // weights, gradients [count] on the device.
  void step(Stream& stream, float* weights, const float* gradients, const AdamW& options);

  // [count], for copy_to_host and copy_to_device.
  float* first() { return first_; }
  float* second() { return second_; }

 private:
  int64_t bytes() const { return count_ * static_cast<int64_t>(sizeof(float)); }
  void release() noexcept;

  int64_t count_, piece_;
  bool on_host_;
  float* first_ = nullptr;
  float* second_ = nullptr;
  DeviceBuffer<float> staged1_, staged2_;  // the pieces on the device
};

}  // namespace llasa
