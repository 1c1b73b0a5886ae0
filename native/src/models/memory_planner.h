// How much memory a training run takes: each part of a step is made and run once, dry (core/memory_plan.h). Phases share
// memory as they do in a run (core/phase_memory.h), and overlap where they do.
#pragma once

#include <cstdint>
#include <optional>

#include "core/memory_plan.h"
#include "core/tensor_table.h"
#include "models/llama_config.h"
#include "models/lora.h"
#include "models/trainer_step.h"
#include "models/whisper_config.h"
#include "models/xcodec2_config.h"
#include "ops/sampling.h"

namespace llasa {

struct RolloutSizes {
  int32_t max_slots = 0;
  int32_t max_sequence_tokens = 0;
  int32_t readback_steps = 0;
  SamplingParameters sampling;
};

struct PlannedPolicy {
  LlamaConfig config;
  Storage storage = Storage::kF32;
  bool frozen = false;
};

// What a run consists of; absent parts take nothing.
struct PlannedRun {
  std::optional<PlannedPolicy> policy;
  std::optional<LoraOptions> lora;
  std::optional<PlannedPolicy> reference;  // a frozen starting policy that scores every step
  std::optional<TrainerOptions> trainer;
  HeadOptions head;
  std::optional<RolloutSizes> rollout;
  std::optional<Xcodec2Config> codec;
  Storage codec_storage = Storage::kF32;
  std::optional<WhisperConfig> whisper;
  Storage whisper_storage = Storage::kF32;
  int64_t num_prompts = 1;  // of a step, all as long as they can get
  int64_t samples_per_prompt = 1;
  int64_t prompt_tokens = 1;
  int64_t response_tokens = 1;
  int64_t clips = 1;        // vocoded and listened to together, each of response_tokens codes
  int64_t text_tokens = 1;  // of a transcript, and of a text whose likelihood is asked for
};

// Fills `plan`, which must be the calling thread's.
void plan_run(const PlannedRun& run, MemoryPlan& plan);

}  // namespace llasa
