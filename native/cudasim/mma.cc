// The tables of the PTX ISA, spelled out: matrices are put together from the registers of all lanes, then
// multiplied as matrices, so that a kernel that fills a register wrongly computes what a card would compute.
#include "cudasim/mma.h"

#include <cstring>
#include <utility>

#include "core/half.h"
#include "cudasim/warp.h"
#include "fault.h"
#include "state.h"

namespace cudasim {

namespace {

constexpr uint32_t kAllLanes = 0xffffffffu;

struct MmaOperands {
  float c[4];
  uint32_t a[4];
  uint32_t b[2];
};

// Element i of a fragment of pairs; the even one is in the lower half of its register.
float element(const uint32_t* registers, int i) {
  return llasa::bf16_to_float(static_cast<uint16_t>(registers[i / 2] >> (i % 2 * 16)));
}

// "Matrix Fragments for mma.m16n8k16 with floating point type": group = lane / 4, place = lane % 4.
//   a[i], i < 8   row group (0 <= i < 2, 4 <= i < 6) or group + 8; column 2 place + i % 2, + 8 where i >= 4
//   b[i], i < 4   row 2 place + i % 2, + 8 where i >= 2; column group
//   c[i], i < 4   row group, + 8 where i >= 2; column 2 place + i % 2
void complete_mma(const Lanes& lanes) {
  float a[16][16], b[16][8];
  for (int lane = 0; lane < kWarp; ++lane) {
    const auto& operands = *static_cast<const MmaOperands*>(lanes.input[lane]);
    const int group = lane / 4, place = lane % 4;
    for (int i = 0; i < 8; ++i) {
      const bool upper = i < 2 || (i >= 4 && i < 6);
      a[upper ? group : group + 8][2 * place + i % 2 + (i < 4 ? 0 : 8)] = element(operands.a, i);
    }
    for (int i = 0; i < 4; ++i) b[2 * place + i % 2 + (i < 2 ? 0 : 8)][group] = element(operands.b, i);
  }
  for (int lane = 0; lane < kWarp; ++lane) {
    const auto& operands = *static_cast<const MmaOperands*>(lanes.input[lane]);
    auto* d = static_cast<float*>(lanes.output[lane]);
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + (i < 2 ? 0 : 8), column = 2 * (lane % 4) + i % 2;
      float sum = operands.c[i];
      for (int k = 0; k < 16; ++k) sum += a[row][k] * b[k][column];
      d[i] = sum;
    }
  }
}

struct MatrixRow {
  uint16_t element[8];
};

// "ldmatrix": lane l receives, of each matrix, row l / 4, columns 2 (l % 4) and the one after it; with .trans
// of the transposed matrix.
void complete_ldmatrix(const Lanes& lanes, bool transposed) {
  for (int lane = 0; lane < kWarp; ++lane) {
    auto* r = static_cast<uint32_t*>(lanes.output[lane]);
    for (int m = 0; m < 4; ++m) {
      const auto at = [&](int row, int column) -> uint32_t {
        if (transposed) std::swap(row, column);
        return static_cast<const MatrixRow*>(lanes.input[8 * m + row])->element[column];
      };
      const int row = lane / 4, column = 2 * (lane % 4);
      r[m] = at(row, column) | at(row, column + 1) << 16;
    }
  }
}

// As the instruction sees it: 16 bytes of shared memory.
MatrixRow read_row(const char* name, const void* row) {
  const auto address = reinterpret_cast<uintptr_t>(row);
  if (!state.dynamic_reserve.contains(address) && !state.statics.contains(address)) {
    kernel_fault(text("%s: the row at 0x%zx is not in shared memory", name, static_cast<size_t>(address)));
  }
  if (address % 16 != 0) {
    kernel_fault(
        text("%s: the row at 0x%zx is not on a multiple of 16 bytes", name, static_cast<size_t>(address)));
  }
#if !defined(__SANITIZE_ADDRESS__)  // under which nobody keeps account of shared memory
  check_access(address, sizeof(MatrixRow), Access::kRead, __builtin_return_address(0));
#endif
  MatrixRow value;
  std::memcpy(&value, row, sizeof value);
  return value;
}

}  // namespace

void mma_m16n8k16_bf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  const MmaOperands operands{{d[0], d[1], d[2], d[3]}, {a[0], a[1], a[2], a[3]}, {b0, b1}};
  warp_collective("mma.m16n8k16", kAllLanes, &operands, d, complete_mma);
}

void ldmatrix_x4(uint32_t (&r)[4], const void* row, bool transposed) {
  const char* name = transposed ? "ldmatrix.trans" : "ldmatrix";
  const MatrixRow mine = read_row(name, row);
  warp_collective(name, kAllLanes, &mine, r,
                  transposed ? Complete{[](const Lanes& lanes) { complete_ldmatrix(lanes, true); }}
                             : Complete{[](const Lanes& lanes) { complete_ldmatrix(lanes, false); }});
}

}  // namespace cudasim
