// One call of Rollout::generate; shared by rollout.cc and rollout_decode.cc alone.
#pragma once

#include <algorithm>

#include "models/rollout.h"

namespace llasa {

inline int64_t as64(size_t n) {
  return static_cast<int64_t>(n);
}

struct Rollout::Run {
  const SamplingParameters& sampling;
  const RolloutRequest& request;
  const RolloutOutput& output;
  int64_t prompts = 0;  // that have arrived
  int64_t next = 0;     // sample to be admitted next
  int64_t drawn = 0;    // tokens
  int64_t steps = 0;
  StopRule stop{};

  int64_t samples() const { return prompts * request.samples_per_prompt; }
  int64_t most_samples() const { return request.num_prompts * request.samples_per_prompt; }
  int32_t limit(int64_t sample) const {
    const int32_t most = request.max_new_tokens;
    return request.sample_limits == nullptr ? most
                                            : std::clamp<int32_t>(request.sample_limits[sample], 1, most);
  }
  int64_t prompt_tokens(int64_t p) const { return request.prompt_offsets[p + 1] - request.prompt_offsets[p]; }
  const int32_t* prompt(int64_t p) const { return request.prompt_ids + request.prompt_offsets[p]; }
  // Nothing is drawn yet for prompts from..to.
  void clear(int64_t from, int64_t to) const {
    const int64_t row = request.samples_per_prompt * request.max_new_tokens;
    const int64_t count = (to - from) * row;
    std::fill_n(output.tokens + from * row, count, -1);
    std::fill_n(output.logprobs + from * row, count, 0.0f);
    if (output.draw_logprobs != nullptr) std::fill_n(output.draw_logprobs + from * row, count, 0.0f);
  }
  void report() const {
    if (request.progress == nullptr) return;
    const int64_t total = most_samples() * request.max_new_tokens;
    LLASA_CHECK(request.progress(request.progress_user, drawn, total) == 0, Status::kCancelled,
                "cancelled after %lld tokens", static_cast<long long>(drawn));
  }
};

}  // namespace llasa
