// The ends of the recogniser's decoder: bound by one read of the logits.
#include <cmath>

#include "kernel_bench.h"
#include "ops/transcript.h"
#include "shapes.h"

namespace llasa::bench {
namespace {

double log_sum(int64_t row, int64_t V) {
  double sum = 0;
  for (int64_t j = 0; j < V; ++j) sum += std::exp(4.0 * static_cast<double>(noise(1, row * V + j)));
  return std::log(sum);
}

void transcript(const WhisperShape& s) {
  const int64_t A = 128, V = s.V;
  const double bytes = 4.0 * static_cast<double>(A * V);
  add(std::string("transcript/token_nll_forward/") + s.name, {bytes, bytes, bytes}, [=](Kernel& k) {
    const float* logits = k.random(A * V, 1, 4.0f);
    std::vector<int32_t> targets;
    for (int64_t a = 0; a < A; ++a) targets.push_back(static_cast<int32_t>(a * 7919 % V));
    const int32_t* ids = k.upload(targets);
    float* nll = k.zeros(A);
    const auto run = [&] { token_nll_forward(k.stream(), logits, ids, nll, A, V); };
    run();
    k.near("nll", k.read(nll + A - 1, 1)[0],
           log_sum(A - 1, V) - 4.0 * static_cast<double>(noise(1, (A - 1) * V + targets.back())), 2e-5);
    k.time(run);
  });
  add(std::string("transcript/greedy_choice/") + s.name, {bytes, bytes, bytes}, [=](Kernel& k) {
    const float* logits = k.random(A * V, 1, 4.0f);
    const uint8_t* banned = k.upload(std::vector<uint8_t>(static_cast<size_t>(V)));
    int32_t* ids = k.upload(std::vector<int32_t>(static_cast<size_t>(A)));
    float* logprobs = k.zeros(A);
    const auto run = [&] { greedy_choice(k.stream(), logits, banned, ids, logprobs, A, V); };
    run();
    int64_t best = 0;
    for (int64_t j = 1; j < V; ++j) {
      if (noise(1, (A - 1) * V + j) > noise(1, (A - 1) * V + best)) best = j;
    }
    k.ensure(k.read(ids + A - 1, 1)[0] == best, "not the largest logit");
    k.near("log-prob", k.read(logprobs + A - 1, 1)[0],
           4.0 * static_cast<double>(noise(1, (A - 1) * V + best)) - log_sum(A - 1, V), 2e-5);
    k.time(run);
  });
}

const bool registered = [] {
  for (const WhisperShape& s : kWhispers) transcript(s);
  return true;
}();

}  // namespace
}  // namespace llasa::bench
