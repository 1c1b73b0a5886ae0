// Log-prob head and policy loss on the CPU; see ops/logprob_head.h and ops/policy_loss.h.
#include "ops/logprob_head.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "cpu/isa.h"
#include "cpu/scratch.h"
#include "ops/policy_loss.h"

namespace llasa {

namespace {
struct GradientRow;

int64_t rows_per_task(int64_t V) {
  return std::max<int64_t>(1, 16384 / V);
}
}  // namespace

void logprob_forward(Stream&, const float* logits, int64_t ld, const int32_t* targets,
                     float inverse_temperature, float* lse, float* logprobs, float* entropies, int64_t N,
                     int64_t V) {
  const auto& k = *cpu::kernels().softmax;
  parallel_ranges(N, rows_per_task(V), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const float* row = logits + n * ld;
      const float highest = k.max(row, V) * inverse_temperature;
      // With e = exp(z - highest): sum e and sum e (z - highest) give both log-sum-exp and entropy.
      float sum, weighted;
      k.exp_moments(row, inverse_temperature, highest, V, &sum, &weighted);
      const float log_sum = std::log(sum);
      lse[n] = highest + log_sum;
      logprobs[n] = row[targets[n]] * inverse_temperature - highest - log_sum;
      entropies[n] = log_sum - weighted / sum;
    }
  });
}

void logprob_backward(Stream&, const float* logits, ArrayView dlogits, int64_t ld, const int32_t* targets,
                      float inverse_temperature, const float* lse, const float* entropies,
                      const float* dlogprobs, const float* dentropies, int64_t N, int64_t V) {
  const auto& k = *cpu::kernels().softmax;
  parallel_ranges(N, rows_per_task(V), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const ArrayView out = dlogits + n * ld;
      float* row = out.is_bf16() ? cpu::task_scratch<GradientRow>(V) : out.f32();
      if (row != logits + n * ld) std::copy_n(logits + n * ld, V, row);
      const float dlogp = dlogprobs[n] * inverse_temperature;
      const float dentropy = dentropies == nullptr ? 0.0f : dentropies[n] * inverse_temperature;
      // p_j (-dlogp - dentropy (z_j - lse + entropy)), and dlogp at the target.
      k.logprob_backward(row, inverse_temperature, lse[n], -dlogp - dentropy * entropies[n], -dentropy, V);
      row[targets[n]] += dlogp;
      if (out.is_bf16()) cpu::kernels().cast->narrow(row, out.bf16(), V);
    }
  });
}

void policy_loss_backward(Stream&, const PolicyLossOptions& options, const TokenTerms& terms,
                          const float* logprobs, float* dlogprobs, float* dentropies, int64_t N) {
  parallel_ranges(N, 1024, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const PolicyTokenLoss t = policy_token_loss(options, terms, n, logprobs[n]);
      // A masked token's terms may be anything, so they are not multiplied by 0 but left out.
      const float policy_weight = terms.policy_weights[n],
                  kl_weight = TokenTerms::weight(terms.kl_weights, n);
      const float policy = policy_weight == 0.0f ? 0.0f : policy_weight * t.policy_gradient;
      const float kl = kl_weight == 0.0f ? 0.0f : kl_weight * t.kl_gradient;
      dlogprobs[n] = policy + kl;
      if (dentropies != nullptr) dentropies[n] = -TokenTerms::weight(terms.entropy_weights, n);
    }
  });
}

void sequence_ratio_logprobs(Stream&, const TokenTerms& terms, const float* logprobs, const int64_t* offsets,
                             float* out, int64_t B) {
  parallel_ranges(B, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      double sum = 0, count = 0;
      for (int64_t n = offsets[b]; n < offsets[b + 1]; ++n) {
        if (!terms.counts(n)) continue;
        sum += static_cast<double>(logprobs[n]) - static_cast<double>(terms.old_logprobs[n]);
        count += 1;
      }
      const double mean = count > 0 ? sum / count : 0.0;
      for (int64_t n = offsets[b]; n < offsets[b + 1]; ++n) {
        out[n] = static_cast<float>(static_cast<double>(logprobs[n]) - mean);
      }
    }
  });
}

}  // namespace llasa
