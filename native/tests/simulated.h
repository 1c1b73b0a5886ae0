// On the simulator a kernel takes a thousand times as long as on a card. Tests that draw many samples, or
// repeat one check over many tensors, do fewer there; what is computed at all is checked as everywhere.
#pragma once

#include <cstring>

#include "core/device.h"

namespace llasa::test {

inline bool simulated() {
  return std::strcmp(describe_device().backend, "cudasim") == 0;
}

// Whether the backend is a device's, pretended or not.
inline bool on_device() {
  static const bool answer = std::strcmp(describe_device().backend, "cpu") != 0;
  return answer;
}

// A number of repetitions, and the one that is enough on the simulator.
template <typename T>
T repetitions(T elsewhere, T simulator) {
  return simulated() ? simulator : elsewhere;
}

}  // namespace llasa::test
