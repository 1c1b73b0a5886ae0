// Draws samples from a policy: continuous batching over a fixed number of slots.
//
// A prompt's keys and values are computed once (all its tokens but the last) and shared by its n samples. A
// sample then starts by feeding the prompt's last token, so that the first drawn token is no special case,
// and takes part in one batched pass per token until its stop token or its limit.
//
// From token to token the loop stays on the device (ops/decode_loop.h). Every readback_steps tokens the host
// reads what was drawn; the slots and blocks of samples that ended are free then and the next samples, in the
// order of (prompt, sample), take them. A sample that ends in between stands still until then, and the drawn
// tokens are the same however many steps that are.
//
// Prompts may arrive while others are decoded: they join when a slot is free. A sample's limit may be lowered
// meanwhile, which ends it at the next look.
//
// What a sample may depend on: weights, prompt, sampling options and its sequence id. Random numbers are
// keyed by (seed, sequence id, position in the whole sequence). Attention, norms and sampling treat a row
// alone. Only the matrix products see the batch: their rounding (1e-7 relative) may differ with the number of
// rows and a row's place among them, so a draw that lies that close to a boundary can fall to the
// neighbouring token. The schedule itself depends on nothing but the requests and when they arrive, hence a repeated call repeats
// every bit, whatever the number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/callbacks.h"
#include "core/device.h"
#include "core/graph.h"
#include "core/phase_memory.h"
#include "models/kv_cache.h"
#include "models/operand_buffer.h"
#include "models/policy.h"
#include "ops/decode_loop.h"

namespace llasa {

// What to draw; borrowed for the call. Checked: throws Status::kToken, Status::kCapacity.
struct RolloutRequest {
  int64_t num_prompts = 0;                  // P
  int64_t samples_per_prompt = 1;           // n
  const int64_t* prompt_offsets = nullptr;  // [P+1]
  const int32_t* prompt_ids = nullptr;
  const uint64_t* sequence_ids = nullptr;  // [P n] or NULL: 0, 1, 2, ...
  int32_t stop_token = -1;
  int32_t max_new_tokens = 1;
  int32_t min_new_tokens = 0;
  ProgressCallback progress = nullptr;
  void* progress_user = nullptr;
  SampleCallback finished = nullptr;  // called last of all that finishing a sample does
  void* finished_user = nullptr;
  ArrivalCallback arrived =
      nullptr;  // NULL: all prompts are there; else num_prompts is the most that may come
  void* arrived_user = nullptr;
  const int32_t* sample_limits = nullptr;  // [P n] or NULL; read anew before every decode
};

// Why a sample ended; numbered as LLASA_FINISH_*.
inline constexpr int32_t kFinishStop = 1, kFinishLength = 2;

// Where samples go: [P n, max_new_tokens] and [P n].
struct RolloutOutput {
  int32_t* tokens = nullptr;
  float* logprobs = nullptr;
  int32_t* lengths = nullptr;
  int32_t* finish_reasons = nullptr;
  float* draw_logprobs = nullptr;  // NULL: not wanted
};

class Rollout {
 public:
  // max_sequence_tokens 0: the policy's longest. readback_steps 0: 8 where the device works behind the host,
  // 1 where it does not.
  Rollout(std::shared_ptr<Policy> policy, int32_t max_slots, int32_t max_sequence_tokens,
          int32_t readback_steps = 0);

  void generate(const SamplingParameters& sampling, const RolloutRequest& request,
                const RolloutOutput& output);

  const KvCache& cache() const { return cache_; }
  const Policy& policy() const { return *policy_; }
  const LaunchGraphs& graphs() const { return graphs_; }
  // What a call leases; what a rollout keeps between calls is small.
  Phase& phase() { return phase_; }

 private:
  struct Run;  // one call of generate

  // One sample being decoded. Its blocks are row max_slots + (index in slots_) of the cache.
  struct Slot {
    int64_t sample = -1;  // index p n + j of the output; -1 = free
    int64_t group = 0;    // cache row of its prompt, 0..max_slots
    int32_t prompt = 0;   // tokens of the prompt
    int32_t drawn = 0;    // tokens drawn so far
    int32_t last = 0;     // the token to feed next, at position prompt - 1 + drawn
    int32_t limit = 0;    // tokens to draw if the stop token does not come
  };
  // A prompt whose keys and values are in the cache.
  struct Group {
    int64_t prompt = -1;     // -1 = free
    int64_t unfinished = 0;  // samples still to be drawn
  };

  void check(const RolloutRequest& request, int64_t from, int64_t to) const;
  void reserve(const SamplingParameters& sampling, const RolloutRequest& request);
  void arrive(Run& run);
  void limit(Run& run);
  void admit(Run& run);
  void start_group(Run& run, int64_t prompt);
  void prefill(Run& run);
  void decode(Run& run);
  void place(Run& run, int64_t steps, int64_t rows);
  void step(const Run& run, int64_t rows);
  void collect(Run& run, int64_t steps, int64_t rows);
  void finish(Run& run, size_t active, int32_t reason);
  // Runs the device's rows through the layers; the last layer only up to its keys and values when they are
  // all that is wanted.
  void forward(int64_t rows, bool keys_only);
  void sample(const Run& run, int64_t rows);
  DecodeState state();
  // What the launches of a step have baked in.
  std::vector<uint64_t> facts(const Run& run);

  std::shared_ptr<Policy> policy_;
  int64_t max_slots_;
  int64_t max_tokens_;
  int64_t readback_steps_;
  int64_t most_rows_ = 0;  // of a step of this call
  Phase phase_;
  KvCache cache_;

  // Host state, reserved once: nothing is allocated per token.
  std::vector<Slot> slots_;
  std::vector<int64_t> active_;  // slots in use, in the order of admission; -1 while collect() drops them
  std::vector<int64_t> free_slots_, free_groups_;
  std::vector<Group> groups_;
  std::vector<int64_t> new_groups_;  // admitted but not prefilled
  std::vector<int32_t> ids_, positions_;
  std::vector<DecodeRow> rows_;
  std::vector<SampleRow> sample_rows_;
  std::vector<DecodeProgress> progress_;
  std::vector<DrawnToken> record_;  // [steps, rows]
  std::vector<uint32_t> seen_row_;
  bool placed_ = false;  // whether the device's rows are those of active_, as they go on

  // Device state.
  DeviceBuffer<int32_t> device_ids_, device_positions_, device_drawn_;
  DeviceBuffer<DecodeRow> device_rows_;
  DeviceBuffer<SampleRow> device_sample_rows_;
  DeviceBuffer<DecodeProgress> device_progress_;
  DeviceBuffer<DrawnToken> device_record_;
  DeviceBuffer<float> device_logprobs_, device_draw_logprobs_;
  PhaseBuffer<float> x_{phase_}, qkv_{phase_}, logits_{phase_}, lora_scratch_{phase_};
  OperandBuffer normed_{phase_}, attended_{phase_}, gate_up_{phase_}, gated_{phase_};
  PhaseBuffer<uint32_t> seen_{phase_};
  const float* rope_ = nullptr;
  LaunchGraphs graphs_{"a decode step"};  // by number of rows; last, because it refers to all above
};

}  // namespace llasa
