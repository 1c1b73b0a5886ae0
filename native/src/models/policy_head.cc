#include "models/policy_head.h"

#include <algorithm>

#include "ops/gemm.h"
#include "ops/logprob_head.h"
#include "ops/norm.h"

namespace llasa {

int64_t head_chunk(int64_t columns) {
  if (device_works_behind()) return std::clamp<int64_t>((int64_t{1} << 27) / columns, 2048, 4096);
  return std::clamp<int64_t>((int64_t{1} << 20) / columns, 256, 2048);
}

std::vector<int32_t> target_columns(const AllowedIds& allowed, const std::vector<int32_t>& ids) {
  std::vector<int32_t> columns(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    columns[i] = allowed.column_of(ids[i]);
    LLASA_CHECK(columns[i] >= 0, Status::kToken,
                "a scored token is %d, but the head is restricted to %d..%d and %d", ids[i], allowed.start,
                allowed.end - 1, allowed.extra);
  }
  return columns;
}

void allowed_logits(Policy& policy, const AllowedIds& allowed, WeightView normed, int64_t N, float* logits,
                    int64_t stride) {
  const int64_t C = policy.config().hidden_size;
  gemm(policy.stream(), false, true, N, allowed.end - allowed.start, C, 1.0f, normed, C,
       policy.head() + allowed.start * C, C, 0.0f, logits + allowed.range_column(), stride);
  if (allowed.extra < 0) return;
  gemm(policy.stream(), false, true, N, 1, C, 1.0f, normed, C, policy.head() + allowed.extra * C, C, 0.0f,
       logits + allowed.extra_column(), stride);
}

void PolicyHead::reserve(int64_t N, const HeadOptions& options, bool backward) {
  const int64_t C = policy_.config().hidden_size, n = std::min(N, options.chunk);
  logprobs_.reserve(N, "log-probs");
  entropies_.reserve(N, "entropies");
  rows_ = LogitRows::of(options.allowed);
  logits_.reserve(n * rows_.stride, "a chunk of logits");
  normed_.reserve(n * C, policy_.precision(), "a chunk of hidden states");
  rstd_.reserve(n, "a chunk of norms");
  lse_.reserve(n, "a chunk of normalisers");
  if (!backward) return;
  if (keeps_bf16(policy_.precision()))
    narrow_gradients_.reserve(n * rows_.stride, "a chunk of logit gradients");
  normed_gradient_.reserve(n * C, "a chunk of gradients");
  dlogprobs_.reserve(N, "log-prob gradients");
  dentropies_.reserve(N, "entropy gradients");
}

void PolicyHead::forward_chunk(const float* hidden, int64_t n, const HeadOptions& options) {
  rmsnorm_forward(policy_.stream(), hidden, policy_.final_norm(), normed_.view(), rstd_.data(), n,
                  policy_.config().hidden_size, policy_.config().rms_norm_eps);
  allowed_logits(policy_, options.allowed, normed_.view(), n, logits(), rows_.stride);
}

void PolicyHead::backward_chunk(const float* hidden, int64_t n, const HeadOptions& options, float* dhidden,
                                Gradients& gradients) {
  Stream& stream = policy_.stream();
  const int64_t C = policy_.config().hidden_size, stride = rows_.stride;
  const AllowedIds& allowed = options.allowed;
  const int64_t range = allowed.end - allowed.start;
  const WeightView columns = logit_gradients() + allowed.range_column();
  gemm(stream, false, false, n, C, range, 1.0f, columns, stride, policy_.head() + allowed.start * C, C, 0.0f,
       normed_gradient_.data(), C);
  const bool frozen = policy_.has_lora();  // then head and norm have no gradient
  float* dhead = frozen ? nullptr : policy_.layout().head(gradients);
  if (!frozen) {
    gemm(stream, true, false, range, C, n, 1.0f, columns, stride, normed_.view(), C, 1.0f,
         dhead + allowed.start * C, C, policy_.precision());
  }
  if (allowed.extra >= 0) {
    const WeightView column = logit_gradients() + allowed.extra_column();
    gemm(stream, false, false, n, C, 1, 1.0f, column, stride, policy_.head() + allowed.extra * C, C, 1.0f,
         normed_gradient_.data(), C);
    if (!frozen) {
      gemm(stream, true, false, 1, C, n, 1.0f, column, stride, normed_.view(), C, 1.0f,
           dhead + allowed.extra * C, C, policy_.precision());
    }
  }
  zero_on_device(stream, dhidden, n * C * static_cast<int64_t>(sizeof(float)));
  rmsnorm_backward(stream, hidden, policy_.final_norm(), rstd_.data(), normed_gradient_.data(), dhidden,
                   frozen ? nullptr : policy_.layout().final_norm(gradients), n, C);
}

void PolicyHead::score_chunk(const float* hidden, int64_t first, int64_t n, const HeadOptions& options) {
  forward_chunk(hidden + first * policy_.config().hidden_size, n, options);
  logprob_forward(policy_.stream(), logits(), rows_.stride, targets_.data() + first,
                  options.inverse_temperature, lse_.data(), logprobs_.data() + first,
                  entropies_.data() + first, n, options.columns());
}

void PolicyHead::score(const float* hidden, const std::vector<int32_t>& targets, const HeadOptions& options) {
  const auto N = static_cast<int64_t>(targets.size());
  policy_.bring(policy_.layout().head_unit());
  reserve(N, options, false);
  targets_.upload(policy_.stream(), std::span<const int32_t>(targets), "targets");
  for (int64_t i = 0; i < N; i += options.chunk) {
    score_chunk(hidden, i, std::min(options.chunk, N - i), options);
  }
}

void PolicyHead::score_and_backward(const float* hidden, const std::vector<int32_t>& targets,
                                    const HeadOptions& options, const HeadLoss& loss, float* dhidden,
                                    Gradients& gradients) {
  Stream& stream = policy_.stream();
  const int64_t N = static_cast<int64_t>(targets.size()), C = policy_.config().hidden_size;
  policy_.bring(policy_.layout().head_unit());
  reserve(N, options, true);
  targets_.upload(stream, std::span<const int32_t>(targets), "targets");
  TokenTerms terms = loss.terms;
  const bool sequence_ratios = loss.ratios.offsets != nullptr;
  // Logits of one chunk are still there when all log-probs are known.
  const bool scored = sequence_ratios && N <= options.chunk;
  if (sequence_ratios) {
    for (int64_t i = 0; i < N; i += options.chunk) {
      score_chunk(hidden, i, std::min(options.chunk, N - i), options);
    }
    sequence_ratio_logprobs(stream, terms, logprobs_.data(), loss.ratios.offsets, loss.ratios.logprobs,
                            loss.ratios.sequences);
    terms.old_logprobs = loss.ratios.logprobs;
  }
  for (int64_t i = 0; i < N; i += options.chunk) {
    const int64_t n = std::min(options.chunk, N - i);
    float* dentropies = terms.entropy_weights == nullptr ? nullptr : dentropies_.data() + i;
    if (!scored) score_chunk(hidden, i, n, options);
    policy_loss_backward(stream, loss.options, terms.from(i), logprobs_.data() + i, dlogprobs_.data() + i,
                         dentropies, n);
    logprob_backward(stream, logits(), logit_gradients(), rows_.stride, targets_.data() + i,
                     options.inverse_temperature, lse_.data(), entropies_.data() + i, dlogprobs_.data() + i,
                     dentropies, n, options.columns());
    backward_chunk(hidden + i * C, n, options, dhidden + i * C, gradients);
  }
  gradients.finish(policy_.layout().last_unit());
}

void PolicyHead::logits(const float* hidden, int64_t N, const HeadOptions& options, float* out_logits) {
  const int64_t C = policy_.config().hidden_size, V = options.columns();
  reserve(N, options, false);
  rows_ = {0, V};  // as they are wanted
  for (int64_t i = 0; i < N; i += options.chunk) {
    const int64_t n = std::min(options.chunk, N - i);
    forward_chunk(hidden + i * C, n, options);
    copy_to_host(policy_.stream(), out_logits + i * V, logits(), n * V * static_cast<int64_t>(sizeof(float)));
  }
}

}  // namespace llasa
