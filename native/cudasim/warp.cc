// The collectives that are built on warp_collective.
#include "cudasim/warp.h"

#include "block.h"
#include "fault.h"

namespace cudasim {

namespace {

struct ShuffleInput {
  uint64_t bits;
  int lane;  // whose value is wanted
  const char* name;
};

template <typename T>
const T& input(const Lanes& lanes, int lane) {
  return *static_cast<const T*>(lanes.input[lane]);
}

template <typename Body>
void each_lane(const Lanes& lanes, Body&& body) {
  for (int lane = 0; lane < kWarp; ++lane) {
    if ((lanes.mask >> lane & 1u) != 0) body(lane);
  }
}

struct ReduceInput {
  uint32_t value;
  int operation;
};

uint32_t reduced(int operation, uint32_t a, uint32_t b) {
  switch (operation) {
    case 0:
      return a + b;
    case 1:
      return a < b ? a : b;
    case 2:
      return a > b ? a : b;
    case 3:
      return a & b;
    default:
      return a | b;
  }
}

}  // namespace

uint64_t shuffle(const char* name, uint32_t mask, uint64_t bits, int source_lane) {
  const ShuffleInput mine{bits, source_lane, name};
  uint64_t result = 0;
  warp_collective(name, mask, &mine, &result, [](const Lanes& lanes) {
    each_lane(lanes, [&](int lane) {
      const auto& wish = input<ShuffleInput>(lanes, lane);
      if (wish.lane < 0 || wish.lane >= kWarp || (lanes.mask >> wish.lane & 1u) == 0) {
        kernel_fault(text("%s: lane %d reads lane %d, which is not in the mask 0x%08x", wish.name, lane,
                          wish.lane, lanes.mask));
      }
      *static_cast<uint64_t*>(lanes.output[lane]) = input<ShuffleInput>(lanes, wish.lane).bits;
    });
  });
  return result;
}

uint32_t ballot(const char* name, uint32_t mask, bool predicate) {
  uint32_t result = 0;
  warp_collective(name, mask, &predicate, &result, [](const Lanes& lanes) {
    uint32_t votes = 0;
    each_lane(lanes, [&](int lane) { votes |= input<bool>(lanes, lane) ? 1u << lane : 0u; });
    each_lane(lanes, [&](int lane) { *static_cast<uint32_t*>(lanes.output[lane]) = votes; });
  });
  return result;
}

uint32_t match_any(uint32_t mask, uint64_t bits) {
  uint32_t result = 0;
  warp_collective("__match_any_sync", mask, &bits, &result, [](const Lanes& lanes) {
    each_lane(lanes, [&](int lane) {
      uint32_t same = 0;
      each_lane(lanes, [&](int other) {
        if (input<uint64_t>(lanes, other) == input<uint64_t>(lanes, lane)) same |= 1u << other;
      });
      *static_cast<uint32_t*>(lanes.output[lane]) = same;
    });
  });
  return result;
}

uint32_t reduce(const char* name, uint32_t mask, uint32_t value, int operation) {
  const ReduceInput mine{value, operation};
  uint32_t result = 0;
  warp_collective(name, mask, &mine, &result, [](const Lanes& lanes) {
    const int first = __builtin_ctz(lanes.mask);
    uint32_t total = input<ReduceInput>(lanes, first).value;
    each_lane(lanes, [&](int lane) {
      const auto& other = input<ReduceInput>(lanes, lane);
      if (lane != first) total = reduced(other.operation, total, other.value);
    });
    each_lane(lanes, [&](int lane) { *static_cast<uint32_t*>(lanes.output[lane]) = total; });
  });
  return result;
}

void fault(const char* what) {
  kernel_fault(what);
}

}  // namespace cudasim
