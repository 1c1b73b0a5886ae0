// Between two tokens of a decode loop; contract in ops/decode_loop.h.
#include "cuda/common.cuh"
#include "ops/decode_loop.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kThreads = 128;

//   mapping       thread = row
//   traffic       about 120 bytes per row: launch bound
//   determinism   a row depends on itself alone
__global__ void __launch_bounds__(kThreads)
    decode_advance_kernel(DecodeState state, StopRule stop, const int32_t* __restrict__ ids,
                          const float* __restrict__ logprobs, const float* __restrict__ draw_logprobs,
                          int64_t T) {
  const int64_t t = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (t < T) advance_row(state, stop, t, T, {ids[t], logprobs[t], draw_logprobs[t]});
}

}  // namespace
}  // namespace cuda

void decode_advance(Stream& stream, const DecodeState& state, const StopRule& stop, const int32_t* ids,
                    const float* logprobs, const float* draw_logprobs, int64_t T) {
  using namespace cuda;
  if (T == 0) return;
  LLASA_LAUNCH(decode_advance_kernel, grid_of(ceil_div(T, kThreads)), kThreads, 0, stream, state, stop, ids,
               logprobs, draw_logprobs, T);
}

}  // namespace llasa
