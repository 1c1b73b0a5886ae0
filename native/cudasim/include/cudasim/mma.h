// Warp-level matrix instructions (PTX ISA, "Warp Level Matrix Instructions"), for the device functions of
// cuda/mma.cuh. All lanes of the warp call.
#pragma once

#include <cstdint>

namespace cudasim {

// mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32: d = a b + d, with the registers of the calling lane.
// Products are exact, each sum is rounded to f32 after every term, k ascending; a card's order is its own.
void mma_m16n8k16_bf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);

// ldmatrix.sync.aligned.m8n8.x4[.trans].shared.b16: lane 8 m + i brings the address of row i of matrix m.
// Faults: an address that is not in shared memory, or not a multiple of 16.
void ldmatrix_x4(uint32_t (&r)[4], const void* row, bool transposed);

}  // namespace cudasim
