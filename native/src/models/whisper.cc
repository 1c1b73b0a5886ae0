#include "models/whisper.h"

#include <algorithm>
#include <cmath>

#include "core/convert.h"
#include "ops/activation.h"
#include "ops/attention_full.h"
#include "ops/conv1d.h"
#include "ops/gemm.h"
#include "ops/mel.h"
#include "ops/norm.h"

namespace llasa {

namespace {

// A device needs more rows than a cache holds to be busy: eight windows of a public model.
constexpr int64_t kGroupPositions = 1500, kGroupPositionsOnDevice = 12000;
constexpr const char* kWhat = "activations of the recogniser";
// A tied copy some checkpoints carry along.
constexpr const char* kOutputProjection = "proj_out.weight";
constexpr const char* kTokenEmbedding = "model.decoder.embed_tokens.weight";

std::vector<int64_t> equal_offsets(int64_t B, int64_t length) {
  std::vector<int64_t> offsets;
  for (int64_t b = 0; b <= B; ++b) offsets.push_back(b * length);
  return offsets;
}

}  // namespace

Whisper::Whisper(const WhisperConfig& config, Storage storage)
    : config_(config), weights_(config, storage, stream_) {
  std::vector<float> basis(static_cast<size_t>(kMelBasisSize)), window(static_cast<size_t>(kMelFft));
  std::vector<float> filters(static_cast<size_t>(config.num_mel_bins * kMelLines));
  mel_dft_tables(basis.data(), window.data());
  mel_filterbank(config.num_mel_bins, filters.data());
  mel_basis_.upload(stream_, basis, "the DFT's basis");
  mel_window_.upload(stream_, window, "the DFT's window");
  mel_filters_.upload(stream_, filters, "the mel filterbank");
  stream_.synchronize();
}

void Whisper::set_tensor(const std::string& name, DType dtype, const int64_t* shape, int32_t rank,
                         const void* data) {
  TensorTable& table = weights_.table();
  biases_current_ = false;
  if (name == kOutputProjection) {
    LLASA_CHECK(rank == 2 && shape[0] == config_.vocab_size && shape[1] == config_.d_model, Status::kShape,
                "tensor `%s`: shape %s, expected that of `%s`", kOutputProjection,
                shape_text(shape, rank).c_str(), kTokenEmbedding);
    return;
  }
  const TensorSpec& spec = table.find(name);
  const bool convolution =
      spec.shape.size() == 3 && rank == 3 && std::equal(shape, shape + 3, spec.shape.begin());
  if (!convolution) {
    table.set(stream_, name, dtype, shape, rank, data);
    return;
  }
  std::vector<float> values(static_cast<size_t>(spec.size)), reordered(static_cast<size_t>(spec.size));
  widen(dtype, data, values.data(), spec.size);
  conv1d_reorder_weight(values.data(), reordered.data(), shape[0], shape[1], shape[2]);
  table.set(stream_, name, DType::kF32, shape, rank, reordered.data());
}

const WhisperWeights& Whisper::weights() {
  if (!biases_current_) {
    weights_.table().require_complete("recogniser");
    weights_.fuse_biases(stream_);
    biases_current_ = true;
  }
  return weights_;
}

void Whisper::log_mel(const float* samples, const int64_t* begin, const int64_t* end, int64_t B,
                      float* features) {
  log_mel_forward(stream_, samples, begin, end, mel_basis_.data(), mel_window_.data(), mel_filters_.data(),
                  features, B, config_.mel_frames(), config_.num_mel_bins);
}

int64_t Whisper::encoder_group() const {
  const int64_t positions = device_works_behind() ? kGroupPositionsOnDevice : kGroupPositions;
  return std::max<int64_t>(1, positions / config_.max_source_positions);
}

void Whisper::encode(const float* features, int64_t B, float* states) {
  weights();
  const PhaseLease lease(phase_, stream_);
  const int64_t input = config_.mel_frames() * config_.num_mel_bins;
  const int64_t output = config_.max_source_positions * config_.d_model;
  for (int64_t b = 0; b < B; b += encoder_group()) {
    encode_group(features + b * input, std::min(encoder_group(), B - b), states + b * output);
  }
}

void Whisper::encode_group(const float* features, int64_t B, float* states) {
  const int64_t C = config_.d_model, P = config_.max_source_positions, frames = config_.mel_frames();
  const std::vector<int64_t> frame_offsets = equal_offsets(B, frames), offsets = equal_offsets(B, P);
  const Conv1dShape conv1{config_.num_mel_bins, C, 3, 1, 1, 1, 1}, conv2{C, C, 3, 2, 1, 1, 1};
  float* conv = conv_.reserve(B * frames * C, kWhat);
  conv1d_forward(stream_, features, weights_.conv1.weight, weights_.conv1.bias, conv, frame_offsets.data(),
                 frame_offsets.data(), B, conv1);
  gelu_forward(stream_, conv, conv, B * frames * C);
  conv1d_forward(stream_, conv, weights_.conv2.weight, weights_.conv2.bias, states, frame_offsets.data(),
                 offsets.data(), B, conv2);
  gelu_forward(stream_, states, states, B * P * C);
  for (int64_t b = 0; b < B; ++b) {
    add_forward(stream_, states + b * P * C, weights_.encoder_positions, states + b * P * C, P * C);
  }
  for (const WhisperEncoderLayer& layer : weights_.encoder) encoder_layer(layer, states, offsets.data(), B);
  layernorm_forward(stream_, states, weights_.encoder_norm.weight, weights_.encoder_norm.bias, states, B * P,
                    C, kWhisperNormEps);
}

// x += out(attention(norm(x))); x += fc2(gelu(fc1(norm(x)))).
void Whisper::encoder_layer(const WhisperEncoderLayer& layer, float* x, const int64_t* offsets, int64_t B) {
  const int64_t T = offsets[B], C = config_.d_model, F = config_.encoder_ffn_dim, H = config_.encoder_heads;
  const ArrayView h = h_.reserve(T * C, precision(), kWhat);
  float* qkv = qkv_.reserve(T * 3 * C, kWhat);
  const ArrayView attended = attended_.reserve(T * C, precision(), kWhat);
  float* ffn = ffn_.reserve(T * F, kWhat);
  const ArrayView inner = inner_.reserve_over(ffn, T * F, precision(), kWhat);
  const WhisperSelfAttention& a = layer.attention;
  layernorm_forward(stream_, x, a.norm.weight, a.norm.bias, h, T, C, kWhisperNormEps);
  linear_forward(stream_, h, a.qkv.weight, a.qkv.bias, qkv, T, C, 3 * C);
  attention_full_forward(stream_, qkv, qkv + C, qkv + 2 * C, attended, offsets, B, H, C / H, 3 * C,
                         1.0f / std::sqrt(static_cast<float>(C / H)), false, precision());
  linear_forward(stream_, attended, a.out.weight, a.out.bias, x, T, C, C, true);
  layernorm_forward(stream_, x, layer.ffn.norm.weight, layer.ffn.norm.bias, h, T, C, kWhisperNormEps);
  linear_forward(stream_, h, layer.ffn.fc1.weight, layer.ffn.fc1.bias, ffn, T, C, F);
  gelu_forward(stream_, ffn, inner, T * F);
  linear_forward(stream_, inner, layer.ffn.fc2.weight, layer.ffn.fc2.bias, x, T, F, C, true);
}

}  // namespace llasa
