// The policy's final norm, vocabulary projection and what is wanted of the logits, a chunk of rows at a time:
// the logits of all rows never exist together.
#pragma once

#include <cstdint>
#include <vector>

#include "core/device.h"
#include "core/phase_memory.h"
#include "models/operand_buffer.h"
#include "models/policy.h"
#include "ops/allowed_ids.h"
#include "ops/policy_loss.h"

namespace llasa {

// Which distribution a log-prob is of.
struct HeadOptions {
  float inverse_temperature = 1.0f;
  AllowedIds allowed;
  int64_t chunk = 1;

  int64_t columns() const { return allowed.count(); }
};

// Logits of the allowed ids: normed [N,C], behind the final norm; logits [N, allowed.count()], rows `stride` apart.
void allowed_logits(Policy& policy, const AllowedIds& allowed, WeightView normed, int64_t N, float* logits,
                    int64_t stride);

// Rows of logits held at a time when the caller does not choose: 4 MB of them, but rows enough for the GEMM; on a GPU
// 512 MB, and 2048 to 4096 rows.
int64_t head_chunk(int64_t columns);

// Columns of target ids; throws Status::kToken for an id that is not allowed.
std::vector<int32_t> target_columns(const AllowedIds& allowed, const std::vector<int32_t>& ids);

// Ratios of whole sequences: where the B sequences of a micro-batch begin among its rows, [B+1], and room for
// sequence_ratio_logprobs [N], all on the device. offsets NULL: ratios are of tokens.
struct SequenceRatios {
  const int64_t* offsets = nullptr;
  int64_t sequences = 0;
  float* logprobs = nullptr;
};

struct HeadLoss {
  PolicyLossOptions options;
  TokenTerms terms;  // of the micro-batch's rows, on the device
  SequenceRatios ratios;
};

// The arrays of a chunk are of the phase, which must be leased; those of all rows stay until the next call.
class PolicyHead {
 public:
  PolicyHead(Policy& policy, Phase& phase)
      : policy_(policy), logits_(phase), normed_gradient_(phase), normed_(phase), narrow_gradients_(phase) {}

  // hidden [N,C]: residual stream behind the last layer. Fills logprobs() and entropies().
  void score(const float* hidden, const std::vector<int32_t>& targets, const HeadOptions& options);
  // The same, and in the same pass the loss's gradient: dhidden [N,C] is assigned, gradients
  // are added to, and those of what follows the layers finished.
  void score_and_backward(const float* hidden, const std::vector<int32_t>& targets,
                          const HeadOptions& options, const HeadLoss& loss, float* dhidden,
                          Gradients& gradients);
  // Unscaled logits of all ids, to the host: out_logits [N,V].
  void logits(const float* hidden, int64_t N, const HeadOptions& options, float* out_logits);

  const float* logprobs() const { return logprobs_.data(); }    // [N] on the device
  const float* entropies() const { return entropies_.data(); }  // [N] on the device

 private:
  void reserve(int64_t N, const HeadOptions& options, bool backward);
  void forward_chunk(const float* hidden, int64_t n, const HeadOptions& options);
  // Logits, log-probs and entropies of rows [first, first + n).
  void score_chunk(const float* hidden, int64_t first, int64_t n, const HeadOptions& options);
  void backward_chunk(const float* hidden, int64_t n, const HeadOptions& options, float* dhidden,
                      Gradients& gradients);

  float* logits() { return logits_.data() + rows_.lead; }
  // Of the chunk: in place of the logits, or in bf16 where products read that.
  ArrayView logit_gradients() {
    return narrow_gradients_.data() == nullptr ? ArrayView(logits()) : narrow_gradients_.data() + rows_.lead;
  }

  Policy& policy_;
  LogitRows rows_;  // of the chunk
  DeviceBuffer<int32_t> targets_;
  DeviceBuffer<float> logprobs_, entropies_, dlogprobs_, dentropies_;
  DeviceBuffer<float> rstd_, lse_;  // of one chunk, as all below
  PhaseBuffer<float> logits_, normed_gradient_;
  OperandBuffer normed_;
  PhaseBuffer<Bf16> narrow_gradients_;  // of the logits
};

}  // namespace llasa
