#include "models/xcodec2.h"

#include <algorithm>
#include <cmath>

#include "core/convert.h"
#include "models/precision.h"
#include "models/xcodec2_encoder.h"
#include "ops/activation.h"
#include "ops/attention_full.h"
#include "ops/conv1d.h"
#include "ops/fsq.h"
#include "ops/gemm.h"
#include "ops/istft.h"
#include "ops/norm.h"

namespace llasa {

namespace {

// Frames computed together: enough for full matrix products, few enough that activations stay near the cache.
constexpr int64_t kGroupFrames = 1024;
constexpr const char* kWhat = "activations of the codec";

Conv1dShape same_conv(int64_t channels, int64_t kernel) {
  return {channels, channels, kernel, 1, 1, kernel / 2, kernel / 2};
}

}  // namespace

Xcodec2::Xcodec2(const Xcodec2Config& config, Storage storage) : config_(config) {
  declare_xcodec2_decoder(config_, weights_);
  weights_.allocate(stream_, "the codec's decoder", storage);
  decoder_ = find_xcodec2_decoder(config_, weights_);
  encoder_ = std::make_unique<Xcodec2Encoder>(config_, stream_);
  std::vector<float> basis(static_cast<size_t>(istft_basis_size(config_.hop)));
  std::vector<float> window(static_cast<size_t>(4 * config_.hop));
  istft_tables(config_.hop, basis.data(), window.data());
  istft_basis_.upload(stream_, basis, "the inverse STFT's basis");
  istft_window_.upload(stream_, window, "the inverse STFT's window");
  stream_.synchronize();
}

Xcodec2::~Xcodec2() = default;

int64_t Xcodec2::tensor_count() const {
  return static_cast<int64_t>(weights_.specs().size() + encoder_->weights().specs().size());
}

const TensorSpec& Xcodec2::tensor(int64_t index) const {
  LLASA_CHECK(index >= 0 && index < tensor_count(), Status::kArgument, "`index`: %lld, expected 0..%lld",
              static_cast<long long>(index), static_cast<long long>(tensor_count() - 1));
  const auto decoder = static_cast<int64_t>(weights_.specs().size());
  return index < decoder ? weights_.spec(index) : encoder_->weights().spec(index - decoder);
}

void Xcodec2::set_tensor(const std::string& name, DType dtype, const int64_t* shape, int32_t rank,
                         const void* data) {
  TensorTable& table = encoder_->weights().contains(name) ? encoder_->weights_to_set() : weights_;
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

void Xcodec2::probe(const char* stage, const float* data, int64_t rows, int64_t columns) const {
  if (probe_) probe_(stage, data, rows, columns);
}

void Xcodec2::check_codes(const int64_t* offsets, const int32_t* codes, int64_t B) const {
  for (int64_t b = 0; b < B; ++b) {
    for (int64_t t = offsets[b]; t < offsets[b + 1]; ++t) {
      LLASA_CHECK(codes[t] >= 0 && codes[t] < config_.num_codes, Status::kToken,
                  "`codes`: %d at position %lld of clip %lld, expected 0..%lld", codes[t],
                  static_cast<long long>(t - offsets[b]), static_cast<long long>(b),
                  static_cast<long long>(config_.num_codes - 1));
    }
  }
}

void Xcodec2::decode(const int64_t* offsets, const int32_t* codes, int64_t B, float* waveforms) {
  weights_.require_complete("codec decoder");
  check_codes(offsets, codes, B);
  codes_.upload(stream_, codes, offsets[B], kWhat);
  decode_all(offsets, codes_.data(), B, waveforms);
}

void Xcodec2::decode_on_device(const int64_t* offsets, const int32_t* codes, int64_t B, float* waveforms) {
  weights_.require_complete("codec decoder");
  std::vector<int32_t> read(static_cast<size_t>(offsets[B]));
  copy_to_host(stream_, read.data(), codes, offsets[B] * static_cast<int64_t>(sizeof(int32_t)));
  check_codes(offsets, read.data(), B);
  decode_all(offsets, codes, B, waveforms);
}

void Xcodec2::decode_all(const int64_t* offsets, const int32_t* codes, int64_t B, float* waveforms) {
  for (int64_t first = 0; first < B;) {
    int64_t last = first + 1;
    while (last < B && offsets[last + 1] - offsets[first] <= kGroupFrames) ++last;
    std::vector<int64_t> group(offsets + first, offsets + last + 1);
    for (int64_t& offset : group) offset -= offsets[first];
    decode_group(group.data(), codes + offsets[first], last - first,
                 waveforms + offsets[first] * config_.hop);
    first = last;
  }
}

void Xcodec2::decode_group(const int64_t* offsets, const int32_t* codes, int64_t B, float* waveforms) {
  const int64_t T = offsets[B], C = config_.hidden_size, Q = config_.quantization_dim, hop = config_.hop;
  if (T == 0) return;
  const auto n = static_cast<int64_t>(config_.levels.size());
  float* digits = digits_.reserve(T * n, kWhat);
  float* latents = latents_.reserve(T * Q, kWhat);
  float* x = x_.reserve(T * C, kWhat);
  float* h = h_.reserve(T * C, kWhat);
  fsq_dequantize(stream_, codes, config_.levels.data(), digits, T, n);
  probe("fsq_codes", digits, T, n);
  linear_forward(stream_, digits, decoder_.project_out.weight, decoder_.project_out.bias, latents, T, n, Q);
  probe("project_out", latents, T, Q);
  linear_forward(stream_, latents, decoder_.fc.weight, decoder_.fc.bias, h, T, Q, C);
  probe("fc", h, T, C);
  conv1d_forward(stream_, h, decoder_.embed.weight, decoder_.embed.bias, x, offsets, offsets, B,
                 same_conv(C, 7));
  probe("embed", x, T, C);
  resnet_block(decoder_.prior[0], offsets, B);
  probe("prior_resnet_block1", x, T, C);
  resnet_block(decoder_.prior[1], offsets, B);
  probe("prior_resnet_block2", x, T, C);
  for (size_t l = 0; l < decoder_.layers.size(); ++l) {
    transformer_layer(decoder_.layers[l], offsets, B);
    probe(("layer" + std::to_string(l)).c_str(), x, T, C);
  }
  resnet_block(decoder_.post[0], offsets, B);
  probe("post_resnet_block1", x, T, C);
  resnet_block(decoder_.post[1], offsets, B);
  probe("post_resnet_block2", x, T, C);
  layernorm_forward(stream_, x, decoder_.final_norm.weight, decoder_.final_norm.bias, h, T, C,
                    kXcodec2NormEps);
  probe("final_layer_norm", h, T, C);
  const int64_t lines = 4 * hop + 2, scratch = istft_scratch_size(hop, T);
  float* prediction = prediction_.reserve(T * lines, kWhat);
  linear_forward(stream_, h, decoder_.head.weight, decoder_.head.bias, prediction, T, C, lines);
  probe("stft_pred", prediction, T, lines);
  istft_forward(stream_, prediction, istft_basis_.data(), istft_window_.data(),
                spectrum_.reserve(scratch, kWhat), quarters_.reserve(scratch, kWhat), waveforms, offsets, B,
                hop);
}

// x += conv2(silu(norm2(conv1(silu(norm1(x)))))).
void Xcodec2::resnet_block(const Xcodec2Resnet& block, const int64_t* offsets, int64_t B) {
  const int64_t C = config_.hidden_size;
  const Conv1dShape conv = same_conv(C, 3);
  float* h = h_.data();
  float* g = g_.reserve(offsets[B] * C, kWhat);
  groupnorm_forward(stream_, x_.data(), block.norm1.weight, block.norm1.bias, h, offsets, B, C,
                    kXcodec2Groups, kXcodec2NormEps, true);
  conv1d_forward(stream_, h, block.conv1.weight, block.conv1.bias, g, offsets, offsets, B, conv);
  groupnorm_forward(stream_, g, block.norm2.weight, block.norm2.bias, h, offsets, B, C, kXcodec2Groups,
                    kXcodec2NormEps, true);
  conv1d_forward(stream_, h, block.conv2.weight, block.conv2.bias, x_.data(), offsets, offsets, B, conv,
                 true);
}

// x += o(attention(norm(x))); x += fc2(silu(fc1(norm(x)))).
void Xcodec2::transformer_layer(const Xcodec2Layer& layer, const int64_t* offsets, int64_t B) {
  const int64_t T = offsets[B], C = config_.hidden_size, A = config_.attention_size(),
                F = config_.intermediate_size;
  const Precision precision = precision_of(weights_.storage());
  float* x = x_.data();
  const ArrayView h = normed_.reserve_over(h_.data(), T * C, precision, kWhat);
  float* qkv = qkv_.reserve(T * 3 * A, kWhat);
  const ArrayView attended = attended_.reserve(T * A, precision, kWhat);
  float* ffn = ffn_.reserve(T * F, kWhat);
  const ArrayView inner = inner_.reserve_over(ffn, T * F, precision, kWhat);
  rmsnorm_forward(stream_, x, layer.attention_norm, h, nullptr, T, C, config_.rms_norm_eps);
  linear_forward(stream_, h, layer.qkv, nullptr, qkv, T, C, 3 * A);
  attention_full_forward(stream_, qkv, qkv + A, qkv + 2 * A, attended, offsets, B, config_.num_heads,
                         config_.head_dim, 3 * A, 1.0f / std::sqrt(static_cast<float>(config_.head_dim)),
                         false, precision);
  linear_forward(stream_, attended, layer.out, nullptr, x, T, A, C, true);
  rmsnorm_forward(stream_, x, layer.ffn_norm, h, nullptr, T, C, config_.rms_norm_eps);
  linear_forward(stream_, h, layer.fc1, nullptr, ffn, T, C, F);
  silu_forward(stream_, ffn, inner, T * F);
  linear_forward(stream_, inner, layer.fc2, nullptr, x, T, F, C, true);
}

std::vector<int32_t> Xcodec2::encode(const float* waveform, int64_t num_samples) {
  return encoder_->encode(waveform, num_samples, probe_);
}

}  // namespace llasa
