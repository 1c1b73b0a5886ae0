#include "models/policy.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/convert.h"
#include "core/memory_plan.h"
#include "ops/cast.h"
#include "ops/gemm.h"

namespace llasa {

namespace {

Storage storage_of(const LlamaConfig& config, Storage storage, bool frozen) {
  const bool grouped = frozen && storage == Storage::kBf16 && multiplies_bf16_groups() &&
                       fits_groups(config.hidden_size) && fits_groups(config.query_size()) &&
                       fits_groups(config.intermediate_size);
  return grouped ? Storage::kBf16Groups : storage;
}

}  // namespace

Policy::Policy(const LlamaConfig& config, Storage storage, bool frozen)
    : config_(config), frozen_(frozen), layout_(config, weights_) {
  weights_.allocate(stream_, "the policy's weights", storage_of(config, storage, frozen));
}

const float* Policy::rope_table(int64_t positions) {
  LLASA_CHECK(positions <= config_.max_positions, Status::kCapacity,
              "a sequence of %lld tokens, but max_position_embeddings is %lld",
              static_cast<long long>(positions), static_cast<long long>(config_.max_positions));
  if (positions <= rope_positions_) return rope_.data();
  // Twice what is asked for, so that growing token by token costs little.
  const int64_t rows = std::min(config_.max_positions, std::max<int64_t>(2 * positions, 256));
  const std::vector<double> frequencies = rope_frequencies(config_);
  const size_t half = frequencies.size();
  std::vector<float> table(static_cast<size_t>(rows) * 2 * half);
  for (size_t p = 0; p < static_cast<size_t>(rows); ++p) {
    for (size_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(p) * frequencies[i];
      table[p * 2 * half + i] = static_cast<float>(std::cos(angle));
      table[p * 2 * half + half + i] = static_cast<float>(std::sin(angle));
    }
  }
  stream_.synchronize();  // nothing queued may still read the table that is replaced
  rope_positions_ = 0;
  rope_.upload(stream_, std::span<const float>(table), "the table of rotations");
  stream_.synchronize();
  rope_positions_ = rows;
  return rope_.data();
}

void Policy::share_out(std::shared_ptr<Collective> world, int ranks) {
  LLASA_CHECK(shared_ == nullptr, Status::kState, "the weights are shared out already");
  LLASA_CHECK(adapter_ == nullptr, Status::kState,
              "the policy has an adapter: its weights have no gradients, and are not shared out");
  LLASA_CHECK(weights_.storage() != Storage::kQ8, Status::kState, "8-bit weights are not shared out");
  ungroup();
  auto shared =
      std::make_unique<SharedWeights>(stream_, weights_, layout_.units(weights_), std::move(world), ranks);
  shared_ = shared.get();
  weights_.hand_over(std::move(shared));
}

void Policy::require_whole() const {
  LLASA_CHECK(
      shared_ == nullptr || shared_->is_whole(), Status::kState,
      "the policy's weights are shared out over %d ranks: bring them together first (llasa_policy_gather)",
      shared_->shares().ranks());
}

void Policy::attach_lora(const LoraOptions& options) {
  LLASA_CHECK(shared_ == nullptr, Status::kState,
              "the weights are shared out over ranks: they take no adapter");
  LLASA_CHECK(adapter_ == nullptr, Status::kState, "the policy has an adapter already");
  LLASA_CHECK(weights_.storage() != Storage::kQ8, Status::kState,
              "8-bit weights take no adapter: keep the policy in f32 or bf16");
  ungroup();
  adapter_ = std::make_unique<Lora>(config_, options, stream_);
  lora_on_ = true;
}

void Policy::use_lora(bool on) {
  LLASA_CHECK(adapter_ != nullptr, Status::kState, "the policy has no adapter");
  lora_on_ = on;
}

void Policy::get_merged(const std::string& name, DType dtype, void* out, int64_t size_bytes) {
  require_complete();
  const TensorSpec& spec = weights_.find(name);
  if (adapter_ == nullptr || !adapter_->stands_beside(name)) {
    weights_.get(stream_, name, dtype, out, size_bytes);
    return;
  }
  const int64_t expected = spec.size * dtype_size(dtype);
  LLASA_CHECK(size_bytes == expected, Status::kArgument, "`size_bytes` of tensor `%s`: %lld, expected %lld",
              name.c_str(), static_cast<long long>(size_bytes), static_cast<long long>(expected));
  DeviceBuffer<float> merged(spec.size, "a merged tensor");
  if (!spec.is_matrix) {
    copy_on_device(stream_, merged.data(), weights_.vector(spec.offset),
                   spec.size * static_cast<int64_t>(sizeof(float)));
  } else if (weights_.storage() == Storage::kBf16) {
    widen_to_f32(stream_, weights_.bf16() + spec.offset, merged.data(), spec.size);
  } else {
    copy_on_device(stream_, merged.data(), weights_.data() + spec.offset,
                   spec.size * static_cast<int64_t>(sizeof(float)));
  }
  adapter_->merge_into(stream_, name, merged.data());
  const std::vector<float> values = merged.download(stream_, spec.size);
  narrow(dtype, values.data(), out, spec.size);
}

void Policy::copy_weights(const Policy& source) {
  LLASA_CHECK(config_ == source.config_, Status::kShape,
              "`source`: a policy of other options, so its weights do not fit");
  source.require_complete();
  if (this == &source || planning()) return;
  synchronize_device();  // the source's own stream may still be writing
  const TensorTable& from = source.weights_;
  const bool moved = shared_ != nullptr || source.shared_ != nullptr;
  if (moved || weights_.has_groups() || from.has_groups()) {
    weights_.copy_from(stream_, from);
    refresh(weights_);
    stream_.synchronize();
    weights_.mark_all_set();
    return;
  }
  const int64_t count = weights_.count();
  const bool wants_f32 = weights_.storage() != Storage::kBf16, has_f32 = from.storage() != Storage::kBf16;
  if (wants_f32 && has_f32) {
    copy_on_device(stream_, weights_.data(), from.data(), count * static_cast<int64_t>(sizeof(float)));
  } else if (wants_f32) {
    widen_to_f32(stream_, from.bf16(), weights_.data(), count);
  } else if (has_f32) {
    narrow_to_bf16(stream_, from.data(), count, weights_.bf16(), 1, count);
  } else {
    copy_on_device(stream_, weights_.bf16(), from.bf16(), count * static_cast<int64_t>(sizeof(Bf16)));
  }
  if (!wants_f32 || !has_f32) {
    for (const TensorSpec& spec : weights_.specs()) {
      if (spec.is_matrix) continue;
      copy_on_device(stream_, weights_.vector(spec.offset), from.vector(spec.offset),
                     spec.size * static_cast<int64_t>(sizeof(float)));
    }
  }
  refresh(weights_);
  stream_.synchronize();
  weights_.mark_all_set();
}

void Policy::refresh_trained() {
  refresh(trainable());
}

void Policy::refresh_all() {
  refresh(weights_);
  if (adapter_ != nullptr) refresh(adapter_->weights());
}

void Policy::refresh(TensorTable& table) {
  if (table.storage() != Storage::kF32AndBf16 || (&table == &weights_ && shared_ != nullptr)) return;
  narrow_to_bf16(stream_, table.data(), table.count(), table.bf16(), 1, table.count());
}

}  // namespace llasa
