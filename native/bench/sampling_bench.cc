// Fused sampling, from the demo's vocabulary to the public models'. The floor is one read of the logits.
#include <cmath>

#include "kernel_bench.h"
#include "ops/sampling_rows.h"

namespace llasa::bench {
namespace {

struct Filters {
  const char* name;
  int32_t top_k;
  float top_p, penalty;
};
constexpr Filters kFilters[] = {{"plain", 0, 1.0f, 1.0f},
                                {"top_p", 0, 0.9f, 1.0f},
                                {"top_k_top_p", 50, 0.9f, 1.0f},
                                {"all", 50, 0.9f, 1.1f}};

void sampling(const char* name, int64_t rows, int32_t n, const Filters& filters) {
  const double bytes = 4.0 * static_cast<double>(rows) * n;
  add(std::string("sampling/sampling_forward/") + name + "/" + filters.name, {bytes, 0, 2 * bytes},
      [=](Kernel& k) {
        SamplingParameters parameters;
        parameters.temperature = 0.8f;
        parameters.top_k = filters.top_k;
        parameters.top_p = filters.top_p;
        parameters.repetition_penalty = filters.penalty;
        parameters.allowed = AllowedIds::of(0, n, -1);
        // A fifth power gives the few high logits and the long tail of a language model.
        std::vector<float> logits(static_cast<size_t>(rows * n));
        for (int64_t i = 0; i < rows * n; ++i)
          logits[static_cast<size_t>(i)] = 15.0f * std::pow(noise(1, i), 5.0f);
        std::vector<SampleRow> info;
        for (int64_t r = 0; r < rows; ++r)
          info.push_back({static_cast<uint64_t>(r), 7, static_cast<int32_t>(r), -1});
        std::vector<uint32_t> seen(static_cast<size_t>(rows * seen_words(parameters.allowed)));
        for (size_t i = 0; i < seen.size(); i += 50) seen[i] = 1;
        float *device_logits = k.upload(logits), *logprobs = k.zeros(rows);
        const SampleRow* device_info = k.upload(info);
        uint32_t* device_seen = filters.penalty == 1.0f ? nullptr : k.upload(seen);
        int32_t* ids = k.upload(std::vector<int32_t>(static_cast<size_t>(rows)));
        const auto run = [&] {
          sampling_forward(k.stream(), parameters, device_logits, n, rows, device_info, device_seen, ids,
                           logprobs);
        };
        run();
        const int64_t r = rows - 1;
        const int32_t id = k.read(ids + r, 1)[0];
        k.ensure(id >= 0 && id < n, "an id out of range");
        double sum = 0;
        const float* row = logits.data() + r * n;
        if (filters.penalty == 1.0f) {
          for (int32_t j = 0; j < n; ++j) sum += std::exp(static_cast<double>(row[j]) / 0.8);
          k.near("log-prob", k.read(logprobs + r, 1)[0], static_cast<double>(row[id]) / 0.8 - std::log(sum),
                 1e-5);
        } else {
          k.ensure(k.read(logprobs + r, 1)[0] <= 0, "a log-prob above 0");
        }
        k.time(run);
      });
}

// Whole rows of the public vocabulary, each with a history of 2,000 ids, to the speech range and the end token.
void sampling_rows_of(const char* name, int64_t rows) {
  constexpr int64_t kVocabulary = 193800, kHistory = 2000;
  const AllowedIds allowed = AllowedIds::of(128264, 193800, 128261);
  const double bytes = static_cast<double>(rows) * (8.0 * allowed.count() + 4.0 * kHistory);
  const double logits_bytes = 4.0 * static_cast<double>(rows * kVocabulary);
  add(std::string("sampling/sampling_rows/") + name, {bytes, 0, bytes + 2 * logits_bytes}, [=](Kernel& k) {
    std::vector<float> logits(static_cast<size_t>(rows * kVocabulary));
    for (int64_t i = 0; i < rows * kVocabulary; ++i) logits[static_cast<size_t>(i)] = noise(1, i);
    std::vector<int64_t> offsets;
    for (int64_t r = 0; r <= rows; ++r) offsets.push_back(r * kHistory);
    std::vector<int32_t> history;
    for (int64_t i = 0; i < rows * kHistory; ++i)
      history.push_back(static_cast<int32_t>(128264 + i * 37 % 65536));
    const int64_t words = seen_words(allowed);
    const SamplingArrays arrays{k.upload(logits),
                                kVocabulary,
                                k.upload(std::vector<uint64_t>(static_cast<size_t>(rows))),
                                k.upload(std::vector<int64_t>(static_cast<size_t>(rows))),
                                k.upload(offsets),
                                k.upload(history),
                                rows * kHistory};
    SampleRow* info = k.upload(std::vector<SampleRow>(static_cast<size_t>(rows)));
    uint32_t* seen = k.upload(std::vector<uint32_t>(static_cast<size_t>(rows * words)));
    float* gathered = k.zeros(rows * allowed.count());
    const auto run = [&] { sampling_rows(k.stream(), allowed, arrays, rows, info, seen, gathered); };
    run();
    const int64_t r = rows - 1;
    const float* row = logits.data() + r * kVocabulary;
    k.near("the end token", k.read(gathered + r * allowed.count(), 1)[0], static_cast<double>(row[128261]),
           0);
    k.near("the last code", k.read(gathered + (r + 1) * allowed.count() - 1, 1)[0],
           static_cast<double>(row[193799]), 0);
    const auto first = static_cast<uint32_t>(r * kHistory * 37 % 65536 + 1);
    k.ensure((k.read(seen + r * words + first / 32, 1)[0] >> (first % 32) & 1u) != 0, "an id is not marked");
    k.time(run);
  });
}

const bool registered = [] {
  sampling_rows_of("speech_1", 1);
  sampling_rows_of("speech_128", 128);
  for (const Filters& f : kFilters) {
    sampling("tiny", 128, 1025, f);
    sampling("speech_1", 1, 65537, f);
    sampling("speech_128", 128, 65537, f);
    sampling("full_1", 1, 193800, f);
    sampling("full_16", 16, 193800, f);
    sampling("full_128", 128, 193800, f);
  }
  return true;
}();

}  // namespace
}  // namespace llasa::bench
