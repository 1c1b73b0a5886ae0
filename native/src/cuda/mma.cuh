// Tensor-core instructions as functions of a warp, all of whose lanes call (PTX ISA, "Warp Level Matrix
// Instructions"; sm_80 and later); native/cudasim has their twins. Lane l is in group l / 4 and has place
// l % 4 there.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>
#include <cstring>

#include "core/launch.h"
#if !defined(__CUDACC__)
#include "cudasim/mma.h"
#endif

namespace llasa::cuda {

// Two numbers rounded to the nearest bf16 (ties to even) in one register, `low` in the lower half.
__device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  uint32_t bits;
  memcpy(&bits, &pair, sizeof bits);
  return bits;
}

__device__ __forceinline__ float round_to_bf16(float x) {
  return __bfloat162float(__float2bfloat16_rn(x));
}

__device__ __forceinline__ float unpack_bf16(uint16_t bits) {
  return __bfloat162float(__ushort_as_bfloat16(bits));
}

// d += A B: A is 16 x 16, B 16 x 8, D 16 x 8. Products are exact, sums f32 in the card's order.
//   a[0..3]  rows group, group + 8, group, group + 8; columns 2 place and + 1, in a[2] and a[3] 8 further
//   b0, b1   rows 2 place and + 1, in b1 8 further; column group
//   d[0..3]  rows group, group, group + 8, group + 8; columns 2 place, + 1, 2 place, + 1
// So d of two neighbours of 8 columns, packed, is a of their 16 columns: that is how the probabilities pass
// from one product to the next without leaving their registers.
__device__ __forceinline__ void mma_m16n8k16_bf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                                  uint32_t b1) {
#if defined(__CUDACC__)
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
  cudasim::mma_m16n8k16_bf16(d, a, b0, b1);
#endif
}

// Four 8 x 8 matrices of bf16 from shared memory. Lane 8 m + i gives the address of row i of matrix m: 16
// bytes, on a multiple of 16. Register m holds row group, columns 2 place and + 1 of matrix m.
__device__ __forceinline__ void ldmatrix_x4(uint32_t (&r)[4], const void* row) {
#if defined(__CUDACC__)
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(row)))
               : "memory");
#else
  cudasim::ldmatrix_x4(r, row, false);
#endif
}

// The same of the transposed matrices: register m holds rows 2 place and + 1, column group of matrix m.
__device__ __forceinline__ void ldmatrix_x4_transposed(uint32_t (&r)[4], const void* row) {
#if defined(__CUDACC__)
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(row)))
               : "memory");
#else
  cudasim::ldmatrix_x4(r, row, true);
#endif
}

}  // namespace llasa::cuda
