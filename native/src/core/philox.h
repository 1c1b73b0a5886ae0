// Philox4x32-10 counter-based random numbers (Salmon et al., SC'11, "Parallel random numbers: as easy as
// 1, 2, 3"). A draw is a pure function of (seed, sequence, position, draw): no state, no order, no batch
// slot.
#pragma once

#include <cstdint>

#include "core/host_device.h"

namespace llasa {

struct PhiloxBlock {
  uint32_t word[4];
};

LLASA_HOST_DEVICE inline PhiloxBlock philox4x32(uint64_t key, uint64_t counter_high, uint64_t counter_low) {
  uint32_t c0 = static_cast<uint32_t>(counter_low), c1 = static_cast<uint32_t>(counter_low >> 32);
  uint32_t c2 = static_cast<uint32_t>(counter_high), c3 = static_cast<uint32_t>(counter_high >> 32);
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c0;
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// Uniform in [0, 1) with 24 bits: a multiple of 2^-24, so it never rounds up to 1.
LLASA_HOST_DEVICE inline float philox_uniform(uint64_t seed, uint64_t sequence, uint64_t position) {
  const PhiloxBlock block = philox4x32(seed, sequence, position);
  return static_cast<float>(block.word[0] >> 8) * 0x1p-24f;
}

// Uniform in [0, 1) with 53 bits, from the first two words of the block: fine enough for a vocabulary of any
// size.
LLASA_HOST_DEVICE inline double philox_uniform_double(uint64_t seed, uint64_t sequence, uint64_t position) {
  const PhiloxBlock block = philox4x32(seed, sequence, position);
  const uint64_t bits = (static_cast<uint64_t>(block.word[0]) << 32) | block.word[1];
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // namespace llasa
