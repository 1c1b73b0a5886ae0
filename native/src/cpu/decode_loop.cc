#include "ops/decode_loop.h"

#include "core/memory_plan.h"

namespace llasa {

void decode_advance(Stream&, const DecodeState& state, const StopRule& stop, const int32_t* ids,
                    const float* logprobs, const float* draw_logprobs, int64_t T) {
  if (planning()) return;
  for (int64_t t = 0; t < T; ++t) {
    advance_row(state, stop, t, T, {ids[t], logprobs[t], draw_logprobs[t]});
  }
}

}  // namespace llasa
