// A rollout call with its arrays, and a job that crosses block boundaries.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "llasa_native.h"
#include "tiny_policy.h"

namespace llasa::test {

struct Samples {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs, draw_logprobs;
  std::vector<int32_t> lengths, reasons;
  bool operator==(const Samples&) const = default;
};

struct Job {
  llasa_sampling_options sampling;
  std::vector<std::vector<int32_t>> prompts;
  int32_t samples = 3;
  int32_t slots = 4;
  int32_t max_sequence = 0;
  int32_t readback_steps = 0;
  std::vector<uint64_t> sequence_ids;
  llasa_progress_callback progress = nullptr;
  void* user = nullptr;
  llasa_sample_callback finished = nullptr;
  void* finished_user = nullptr;
  llasa_arrival_callback arrived = nullptr;
  void* arrived_user = nullptr;
  std::vector<int32_t> limits;
  std::function<void(const llasa_rollout_result&)> on_result;  // told where the results will be
  llasa_status expected = LLASA_OK;
};

inline llasa_rollout* create(llasa_policy* policy, int32_t slots, int32_t max_sequence = 0,
                             int32_t readback_steps = 0) {
  llasa_rollout_options o;
  llasa_rollout_options_init(&o);
  o.max_slots = slots;
  o.max_sequence_tokens = max_sequence;
  o.readback_steps = readback_steps;
  llasa_rollout* rollout = nullptr;
  EXPECT_EQ(llasa_rollout_create(policy, &o, &rollout), LLASA_OK) << llasa_last_error();
  return rollout;
}

inline Samples generate(llasa_rollout* rollout, const Job& job) {
  std::vector<int64_t> offsets = {0};
  std::vector<int32_t> ids;
  for (const auto& prompt : job.prompts) {
    ids.insert(ids.end(), prompt.begin(), prompt.end());
    offsets.push_back(static_cast<int64_t>(ids.size()));
  }
  llasa_rollout_request request{};
  request.struct_size = sizeof request;
  request.samples_per_prompt = job.samples;
  request.num_prompts = static_cast<int64_t>(job.prompts.size());
  request.prompt_offsets = offsets.data();
  request.prompt_ids = ids.data();
  request.sequence_ids = job.sequence_ids.empty() ? nullptr : job.sequence_ids.data();
  request.progress = job.progress;
  request.progress_user = job.user;
  request.finished = job.finished;
  request.finished_user = job.finished_user;
  request.arrived = job.arrived;
  request.arrived_user = job.arrived_user;
  request.sample_limits = job.limits.empty() ? nullptr : job.limits.data();
  const size_t count = job.prompts.size() * static_cast<size_t>(job.samples);
  const size_t width = static_cast<size_t>(job.sampling.max_new_tokens);
  Samples s{std::vector<int32_t>(count * width, -9), std::vector<float>(count * width, -9.0f),
            std::vector<float>(count * width, -9.0f), std::vector<int32_t>(count, -9),
            std::vector<int32_t>(count, -9)};
  llasa_rollout_result result{};
  result.struct_size = sizeof result;
  result.tokens = s.tokens.data();
  result.logprobs = s.logprobs.data();
  result.draw_logprobs = s.draw_logprobs.data();
  result.lengths = s.lengths.data();
  result.finish_reasons = s.reasons.data();
  if (job.on_result) job.on_result(result);
  EXPECT_EQ(llasa_rollout_generate(rollout, &job.sampling, &request, &result), job.expected)
      << llasa_last_error();
  return s;
}

inline Samples generate(const TinyPolicy& policy, const Job& job) {
  llasa_rollout* rollout = create(policy.handle, job.slots, job.max_sequence, job.readback_steps);
  Samples s = generate(rollout, job);
  llasa_rollout_destroy(rollout);
  return s;
}

inline Job make_job() {
  Job job;
  llasa_sampling_options_init(&job.sampling);
  job.sampling.temperature = 0.9f;
  job.sampling.max_new_tokens = 37;
  job.sampling.stop_token = 5;
  job.sampling.restrict_start = 10;
  job.sampling.restrict_end = 60;
  job.sampling.restrict_extra = 5;
  job.sampling.seed = 42;
  for (size_t length : {1u, 2u, 16u, 17u, 18u, 40u, 3u}) {
    std::vector<int32_t> prompt(length);
    for (size_t i = 0; i < length; ++i) prompt[i] = static_cast<int32_t>((i * 7 + length * 11) % 61);
    job.prompts.push_back(prompt);
  }
  return job;
}

}  // namespace llasa::test
