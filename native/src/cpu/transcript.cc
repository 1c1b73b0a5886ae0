// Text decoder ends on the CPU; see ops/transcript.h. Rows in parallel.
#include "ops/transcript.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/parallel.h"
#include "cpu/isa.h"
#include "cpu/scratch.h"
#include "ops/embedding.h"

namespace llasa {

namespace {

struct LogitScratch {};
int64_t rows_per_task(int64_t V) {
  return std::max<int64_t>(1, 32768 / std::max<int64_t>(V, 1));
}

// log softmax(row)[id] through scratch [V]; relative to the largest logit, so that large logits lose no
// digits.
float log_softmax_at(const cpu::SoftmaxKernels& k, const float* row, float* scratch, int64_t V, int64_t id) {
  const float largest = k.max(row, V);
  return row[id] - largest - std::log(k.exp_sum(row, scratch, 1.0f, largest, V));
}

}  // namespace

void text_embedding_forward(Stream& stream, WeightView table, const float* positions, const int32_t* ids,
                            const int32_t* position_ids, float* y, int64_t T, int64_t C, float scale) {
  embedding_forward(stream, table, ids, y, T, C);
  parallel_ranges(T, std::max<int64_t>(1, 16384 / C), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const float* position = positions + int64_t{position_ids[t]} * C;
      for (int64_t c = 0; c < C; ++c) y[t * C + c] = scale * y[t * C + c] + position[c];
    }
  });
}

void greedy_choice(Stream&, const float* logits, const uint8_t* banned, int32_t* ids, float* logprobs,
                   int64_t A, int64_t V) {
  const auto& k = *cpu::kernels().softmax;
  parallel_ranges(A, rows_per_task(V), [&](int64_t begin, int64_t end) {
    float* row = cpu::task_scratch<LogitScratch>(2 * V);
    for (int64_t a = begin; a < end; ++a) {
      std::memcpy(row, logits + a * V, static_cast<size_t>(V) * sizeof(float));
      int32_t best = -1;
      bool nan = false;
      for (int64_t v = 0; v < V; ++v) {
        if (banned != nullptr && banned[v] != 0) {
          row[v] = -INFINITY;
          continue;
        }
        nan |= std::isnan(row[v]);
        if (best < 0 || row[v] > row[best]) best = static_cast<int32_t>(v);
      }
      ids[a] = nan ? -1 : best;
      logprobs[a] = ids[a] < 0 ? 0.0f : log_softmax_at(k, row, row + V, V, best);
    }
  });
}

void id_probability(Stream&, const float* logits, int64_t id, float* probabilities, int64_t A, int64_t V) {
  const auto& k = *cpu::kernels().softmax;
  parallel_ranges(A, rows_per_task(V), [&](int64_t begin, int64_t end) {
    float* scratch = cpu::task_scratch<LogitScratch>(V);
    for (int64_t a = begin; a < end; ++a) {
      probabilities[a] = std::exp(log_softmax_at(k, logits + a * V, scratch, V, id));
    }
  });
}

void token_nll_forward(Stream&, const float* logits, const int32_t* targets, float* nll, int64_t N,
                       int64_t V) {
  const auto& k = *cpu::kernels().softmax;
  parallel_ranges(N, rows_per_task(V), [&](int64_t begin, int64_t end) {
    float* scratch = cpu::task_scratch<LogitScratch>(V);
    for (int64_t n = begin; n < end; ++n) {
      nll[n] = -log_softmax_at(k, logits + n * V, scratch, V, targets[n]);
    }
  });
}

void gather_rows(Stream&, WeightView x, const int64_t* rows, ArrayView y, int64_t N, int64_t C) {
  const auto bytes = static_cast<size_t>(C) * (x.is_bf16() ? sizeof(Bf16) : sizeof(float));
  parallel_ranges(N, std::max<int64_t>(1, 16384 / C), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) std::memcpy((y + n * C).data, (x + rows[n] * C).data, bytes);
  });
}

}  // namespace llasa
