// llasa_sample and llasa_sampling_distribution: the fused sampling kernel alone, on logits of the caller.
#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "abi/guard.h"
#include "abi/options.h"
#include "abi/sampling_options.h"
#include "core/device.h"
#include "ops/sampling_rows.h"

static_assert(llasa::kSampleNotFinite == LLASA_SAMPLE_NOT_FINITE &&
              llasa::kSampleEmpty == LLASA_SAMPLE_EMPTY);

namespace llasa::abi {

AllowedIds make_allowed_ids(const char* options, int32_t start, int32_t end, int32_t extra, int32_t V) {
  LLASA_CHECK(end == 0 ? start == 0 : start >= 0 && start < end && end <= V, Status::kArgument,
              "`%s.restrict_start`, `%s.restrict_end`: [%d, %d), expected within [0, %d)", options, options,
              start, end, V);
  LLASA_CHECK(extra >= -1 && extra < V, Status::kArgument,
              "`%s.restrict_extra`: %d, expected -1 or an id below %d", options, extra, V);
  return end == 0 ? AllowedIds{0, V, -1} : AllowedIds::of(start, end, extra);
}

llasa_sampling_options read_sampling_options(const llasa_sampling_options* given, int64_t vocab_size) {
  llasa_sampling_options o{};
  llasa_sampling_options_init(&o);
  o = read_options(given, o, "sampling");
  // 1e-6 keeps 1 / temperature, and differences of logits times it, far from overflow.
  LLASA_CHECK(o.temperature == 0 || (o.temperature >= 1e-6f && std::isfinite(o.temperature)),
              Status::kArgument, "`sampling.temperature`: %g, expected 0 or >= 1e-6",
              static_cast<double>(o.temperature));
  LLASA_CHECK(o.top_k >= 0, Status::kArgument, "`sampling.top_k`: %d, expected >= 0", o.top_k);
  LLASA_CHECK(o.top_p > 0 && o.top_p <= 1, Status::kArgument, "`sampling.top_p`: %g, expected in (0, 1]",
              static_cast<double>(o.top_p));
  LLASA_CHECK(o.min_p >= 0 && o.min_p < 1, Status::kArgument, "`sampling.min_p`: %g, expected in [0, 1)",
              static_cast<double>(o.min_p));
  LLASA_CHECK(o.repetition_penalty > 0 && std::isfinite(o.repetition_penalty), Status::kArgument,
              "`sampling.repetition_penalty`: %g, expected > 0", static_cast<double>(o.repetition_penalty));
  make_allowed_ids("sampling", o.restrict_start, o.restrict_end, o.restrict_extra,
                   static_cast<int32_t>(vocab_size));
  LLASA_CHECK(o.stop_token >= -1 && o.stop_token < vocab_size, Status::kArgument,
              "`sampling.stop_token`: %d, expected -1 or an id below %lld", o.stop_token,
              static_cast<long long>(vocab_size));
  LLASA_CHECK(o.max_new_tokens >= 1, Status::kArgument, "`sampling.max_new_tokens`: %d, expected >= 1",
              o.max_new_tokens);
  LLASA_CHECK(o.min_new_tokens >= 0, Status::kArgument, "`sampling.min_new_tokens`: %d, expected >= 0",
              o.min_new_tokens);
  return o;
}

SamplingParameters sampling_parameters(const llasa_sampling_options& o, int64_t vocab_size) {
  return {o.temperature,
          o.top_k,
          o.top_p,
          o.min_p,
          o.repetition_penalty,
          o.seed,
          make_allowed_ids("sampling", o.restrict_start, o.restrict_end, o.restrict_extra,
                           static_cast<int32_t>(vocab_size))};
}

namespace {

SamplingParameters read_parameters(const llasa_sampling_options* sampling, int64_t rows, int64_t vocab_size) {
  LLASA_CHECK(vocab_size >= 1 && vocab_size <= INT32_MAX, Status::kArgument,
              "`vocab_size`: %lld, expected >= 1", static_cast<long long>(vocab_size));
  LLASA_CHECK(rows >= 0 && rows <= INT32_MAX, Status::kArgument, "`rows`: %lld, expected 0..%d",
              static_cast<long long>(rows), INT32_MAX);
  return sampling_parameters(read_sampling_options(sampling, vocab_size), vocab_size);
}

// One call's rows on the device: the allowed columns of the logits and who has seen what.
struct Batch {
  SamplingParameters parameters;
  Stream stream;
  DeviceBuffer<float> logits;
  DeviceBuffer<uint32_t> seen;
  DeviceBuffer<SampleRow> rows;
  DeviceBuffer<int32_t> ids;
  int64_t columns = 0;

  uint32_t* seen_or_null() { return parameters.repetition_penalty == 1 ? nullptr : seen.data(); }
};

void read_logits(Batch& batch, const float* logits, int64_t rows, int64_t vocab_size) {
  const AllowedIds& allowed = batch.parameters.allowed;
  batch.logits.reserve(rows * batch.columns, "the logits of allowed ids");
  for (int64_t r = 0; r < rows; ++r) {
    const float* source = logits + r * vocab_size;
    float* row = batch.logits.data() + r * batch.columns;
    copy_to_device(batch.stream, row + allowed.range_column(), source + allowed.start,
                   (int64_t{allowed.end} - allowed.start) * static_cast<int64_t>(sizeof(float)));
    if (allowed.extra >= 0) {
      copy_to_device(batch.stream, row + allowed.extra_column(), source + allowed.extra, sizeof(float));
    }
  }
}

void read_history(Batch& batch, int64_t rows, int64_t vocab_size, const int64_t* offsets,
                  const int32_t* ids) {
  if (batch.parameters.repetition_penalty == 1) return;
  const AllowedIds& allowed = batch.parameters.allowed;
  const int64_t words = seen_words(allowed);
  std::vector<uint32_t> seen(static_cast<size_t>(rows * words), 0u);
  if (offsets != nullptr) {
    LLASA_CHECK(offsets[0] == 0, Status::kArgument, "`history_offsets[0]`: %lld, expected 0",
                static_cast<long long>(offsets[0]));
    if (offsets[rows] > 0) required(ids, "history_ids");
    for (int64_t r = 0; r < rows; ++r) {
      LLASA_CHECK(offsets[r + 1] >= offsets[r], Status::kArgument, "`history_offsets`: decreases at row %lld",
                  static_cast<long long>(r));
      for (int64_t i = offsets[r]; i < offsets[r + 1]; ++i) {
        LLASA_CHECK(ids[i] >= 0 && ids[i] < vocab_size, Status::kToken,
                    "`history_ids[%lld]`: %d, expected 0..%lld", static_cast<long long>(i), ids[i],
                    static_cast<long long>(vocab_size - 1));
        const int32_t column = allowed.column_of(ids[i]);
        if (column >= 0) seen[static_cast<size_t>(r * words + column / 32)] |= uint32_t{1} << (column % 32);
      }
    }
  }
  batch.seen.upload(batch.stream, seen, "the repetition history");
}

// False if there is nothing to do.
bool read_batch(Batch& batch, const llasa_sampling_options* sampling, const float* logits, int64_t rows,
                int64_t vocab_size, const int64_t* history_offsets, const int32_t* history_ids) {
  batch.parameters = read_parameters(sampling, rows, vocab_size);
  batch.columns = batch.parameters.allowed.count();
  if (rows == 0) return false;
  required(logits, "logits");
  read_logits(batch, logits, rows, vocab_size);
  read_history(batch, rows, vocab_size, history_offsets, history_ids);
  batch.ids.reserve(rows, "sampled ids");
  return true;
}

std::vector<SampleRow> make_rows(int64_t count) {
  std::vector<SampleRow> rows(static_cast<size_t>(count));
  for (size_t r = 0; r < rows.size(); ++r) rows[r].history = static_cast<int32_t>(r);
  return rows;
}

// Rows of a caller who has all of it on the device, on the caller's stream.
void sample_arrays(Stream& stream, const SamplingParameters& parameters, const SamplingArrays& arrays,
                   int64_t rows, int32_t* ids, float* logprobs) {
  const AllowedIds& allowed = parameters.allowed;
  const int64_t n = allowed.count();
  const bool penalises = parameters.repetition_penalty != 1;
  // Nothing is written to logits without a penalty, so that they need no copy where their columns are neighbours.
  const bool gathers = penalises || allowed.extra >= 0;
  StreamBuffer<SampleRow> info(stream, rows, "sampling rows");
  StreamBuffer<uint32_t> seen(stream, penalises ? rows * seen_words(allowed) : 0, "the repetition history");
  StreamBuffer<float> gathered(stream, gathers ? rows * n : 0, "the logits of allowed ids");
  sampling_rows(stream, allowed, arrays, rows, info.data(), seen.data(), gathered.data());
  float* logits = gathers ? gathered.data() : const_cast<float*>(arrays.logits) + allowed.start;
  sampling_forward(stream, parameters, logits, gathers ? n : arrays.vocab_size, rows, info.data(),
                   seen.data(), ids, logprobs);
}

void check_ids(const std::vector<int32_t>& ids) {
  for (size_t r = 0; r < ids.size(); ++r) {
    LLASA_CHECK(ids[r] != kSampleNotFinite, Status::kNotFinite, "`logits`: row %zu holds NaN or infinity", r);
    LLASA_CHECK(ids[r] != kSampleEmpty, Status::kNotFinite,
                "`logits`: row %zu is -infinity for all allowed ids", r);
  }
}

}  // namespace

}  // namespace llasa::abi

using llasa::Status;
using llasa::abi::guarded;
using llasa::abi::required;

void llasa_sampling_options_init(llasa_sampling_options* options) {
  if (options == nullptr) return;
  *options = {};
  options->struct_size = sizeof *options;
  options->temperature = 1;
  options->top_p = 1;
  options->repetition_penalty = 1;
  options->restrict_extra = -1;
  options->stop_token = -1;
  options->max_new_tokens = 1;
}

llasa_status llasa_sample(const llasa_sampling_options* sampling, const float* logits, int64_t rows,
                          int64_t vocab_size, const int64_t* history_offsets, const int32_t* history_ids,
                          const uint64_t* sequence_ids, const int64_t* positions, int32_t* out_ids,
                          float* out_logprobs) {
  return guarded(__func__, [&] {
    llasa::abi::Batch batch;
    if (!read_batch(batch, sampling, logits, rows, vocab_size, history_offsets, history_ids)) return;
    required(sequence_ids, "sequence_ids");
    required(positions, "positions");
    required(out_ids, "out_ids");
    required(out_logprobs, "out_logprobs");
    std::vector<llasa::SampleRow> info = llasa::abi::make_rows(rows);
    for (size_t r = 0; r < info.size(); ++r) {
      info[r].sequence_id = sequence_ids[r];
      info[r].position = positions[r];
    }
    batch.rows.upload(batch.stream, info, "sampling rows");
    llasa::DeviceBuffer<float> logprobs(rows, "sampled log-probs");
    llasa::sampling_forward(batch.stream, batch.parameters, batch.logits.data(), batch.columns, rows,
                            batch.rows.data(), batch.seen_or_null(), batch.ids.data(), logprobs.data());
    const std::vector<int32_t> ids = batch.ids.download(batch.stream, rows);
    llasa::abi::check_ids(ids);
    std::copy(ids.begin(), ids.end(), out_ids);
    llasa::copy_to_host(batch.stream, out_logprobs, logprobs.data(),
                        rows * static_cast<int64_t>(sizeof(float)));
  });
}

llasa_status llasa_sample_on_device(int32_t device, void* stream, const llasa_sampling_options* sampling,
                                    const float* logits, int64_t rows, int64_t vocab_size,
                                    const int64_t* history_offsets, const int32_t* history_ids,
                                    int64_t num_history_ids, const uint64_t* sequence_ids,
                                    const int64_t* positions, int32_t* out_ids, float* out_logprobs) {
  return guarded(__func__, [&] {
    const llasa::SamplingParameters parameters = llasa::abi::read_parameters(sampling, rows, vocab_size);
    LLASA_CHECK(num_history_ids >= 0, Status::kArgument, "`num_history_ids`: %lld, expected >= 0",
                static_cast<long long>(num_history_ids));
    if (rows == 0) return;
    const llasa::CallersDevice chosen;
    const llasa::DeviceScope scope(llasa::resolve_device(device, "`device`"));
    llasa::check_device_array(logits, rows * vocab_size, "logits");
    llasa::check_device_array(sequence_ids, rows, "sequence_ids");
    llasa::check_device_array(positions, rows, "positions");
    llasa::check_device_array(out_ids, rows, "out_ids");
    llasa::check_device_array(out_logprobs, rows, "out_logprobs");
    if (history_offsets != nullptr) llasa::check_device_array(history_offsets, rows + 1, "history_offsets");
    llasa::check_device_array(history_ids, num_history_ids, "history_ids");
    llasa::Stream on(llasa::CallerStream{stream});
    llasa::abi::sample_arrays(
        on, parameters,
        {logits, vocab_size, sequence_ids, positions, history_offsets, history_ids, num_history_ids}, rows,
        out_ids, out_logprobs);
  });
}

llasa_status llasa_sampling_distribution(const llasa_sampling_options* sampling, const float* logits,
                                         int64_t rows, int64_t vocab_size, const int64_t* history_offsets,
                                         const int32_t* history_ids, float* out_probs) {
  return guarded(__func__, [&] {
    llasa::abi::Batch batch;
    if (!read_batch(batch, sampling, logits, rows, vocab_size, history_offsets, history_ids)) return;
    required(out_probs, "out_probs");
    batch.rows.upload(batch.stream, llasa::abi::make_rows(rows), "sampling rows");
    llasa::DeviceBuffer<float> probs(rows * batch.columns, "sampling probabilities");
    llasa::sampling_distribution(batch.stream, batch.parameters, batch.logits.data(), batch.columns, rows,
                                 batch.rows.data(), batch.seen_or_null(), batch.ids.data(), probs.data());
    llasa::abi::check_ids(batch.ids.download(batch.stream, rows));
    const llasa::AllowedIds& allowed = batch.parameters.allowed;
    std::fill(out_probs, out_probs + rows * vocab_size, 0.0f);
    for (int64_t r = 0; r < rows; ++r) {
      const float* row = probs.data() + r * batch.columns;
      float* out = out_probs + r * vocab_size;
      llasa::copy_to_host(batch.stream, out + allowed.start, row + allowed.range_column(),
                          (int64_t{allowed.end} - allowed.start) * static_cast<int64_t>(sizeof(float)));
      if (allowed.extra >= 0) {
        llasa::copy_to_host(batch.stream, out + allowed.extra, row + allowed.extra_column(), sizeof(float));
      }
    }
  });
}
