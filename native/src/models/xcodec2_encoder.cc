#include "models/xcodec2_encoder.h"

#include <cmath>

#include "core/status.h"
#include "ops/activation.h"
#include "ops/conformer.h"
#include "ops/fsq.h"
#include "ops/gemm.h"
#include "ops/norm.h"

namespace llasa {

namespace {

constexpr const char* kWhat = "activations of the codec's encoder";

Conv1dShape same_conv(int64_t kernel, int64_t dilation = 1) {
  return {0, 0, kernel, 1, dilation, kernel / 2 * dilation, kernel / 2 * dilation};
}

}  // namespace

Xcodec2Encoder::Xcodec2Encoder(const Xcodec2Config& config, Stream& stream)
    : config_(config), stream_(stream), names_(xcodec2_encoder_names(config)) {
  declare_xcodec2_encoder(config_, weights_);
}

TensorTable& Xcodec2Encoder::weights_to_set() {
  if (weights_.data() == nullptr) weights_.allocate(stream_, "the codec's encoder");
  prepared_ = false;
  return weights_;
}

// weight = g v / |v|, the norm over a whole output channel (torch.nn.utils.weight_norm).
void Xcodec2Encoder::fuse_weight_norm(const std::string& name) {
  const TensorSpec& spec = weights_.find(name + ".weight_v");
  const int64_t O = spec.shape[0], width = spec.size / O;
  std::vector<float> g(static_cast<size_t>(O)), v(static_cast<size_t>(spec.size));
  copy_to_host(stream_, g.data(), at(name + ".weight_g"), O * static_cast<int64_t>(sizeof(float)));
  copy_to_host(stream_, v.data(), at(name + ".weight_v"), spec.size * static_cast<int64_t>(sizeof(float)));
  for (size_t o = 0; o < g.size(); ++o) {
    float* row = v.data() + o * static_cast<size_t>(width);
    double squares = 0.0;
    for (int64_t i = 0; i < width; ++i) squares += static_cast<double>(row[i]) * static_cast<double>(row[i]);
    const double factor = static_cast<double>(g[o]) / std::sqrt(squares);
    for (int64_t i = 0; i < width; ++i) row[i] = static_cast<float>(factor * static_cast<double>(row[i]));
  }
  fused_[name].upload(stream_, v, "the codec's encoder");
  stream_.synchronize();
}

void Xcodec2Encoder::prepare() {
  for (const TensorSpec& spec : weights_.specs()) {
    LLASA_CHECK(spec.is_set, Status::kState, "codec encoder: parameter `%s` was never set",
                spec.name.c_str());
  }
  if (prepared_) return;
  const std::string tail = ".weight_v";
  for (const TensorSpec& spec : weights_.specs()) {
    if (spec.name.size() > tail.size() && spec.name.ends_with(tail)) {
      fuse_weight_norm(spec.name.substr(0, spec.name.size() - tail.size()));
    }
  }
  prepared_ = true;
}

Xcodec2Encoder::Signal Xcodec2Encoder::convolve(const Signal& x, const std::string& name, int64_t out,
                                                Conv1dShape shape) {
  shape.in_channels = x.channels;
  shape.out_channels = out;
  Signal y{{}, conv1d_frames(shape, x.frames), out};
  y.values.reserve(y.frames * out, kWhat);
  const int64_t in_offsets[2] = {0, x.frames}, out_offsets[2] = {0, y.frames};
  const auto fused = fused_.find(name);
  const float* weight = fused != fused_.end() ? fused->second.data() : at(name + ".weight");
  const float* bias = weights_.contains(name + ".bias") ? at(name + ".bias") : nullptr;
  conv1d_forward(stream_, x.values.data(), weight, bias, y.values.data(), in_offsets, out_offsets, 1, shape);
  return y;
}

Xcodec2Encoder::Signal Xcodec2Encoder::snake(const Signal& x, const std::string& name) {
  Signal y{{}, x.frames, x.channels};
  y.values.reserve(x.frames * x.channels, kWhat);
  snake_forward(stream_, x.values.data(), at(name + ".act.alpha"), at(name + ".act.beta"), y.values.data(),
                x.frames, x.channels);
  return y;
}

Xcodec2Encoder::Signal Xcodec2Encoder::normalise(const Signal& x, const std::string& name) {
  Signal y{{}, x.frames, x.channels};
  y.values.reserve(x.frames * x.channels, kWhat);
  layernorm_forward(stream_, x.values.data(), at(name + ".weight"), at(name + ".bias"), y.values.data(),
                    x.frames, x.channels, config_.semantic_layer_norm_eps);
  return y;
}

Xcodec2Encoder::Signal Xcodec2Encoder::linear(const Signal& x, const std::string& name, int64_t out,
                                              bool bias) {
  Signal y{{}, x.frames, out};
  y.values.reserve(x.frames * out, kWhat);
  linear_forward(stream_, x.values.data(), at(name + ".weight"), bias ? at(name + ".bias") : nullptr,
                 y.values.data(), x.frames, x.channels, out);
  return y;
}

// conv k7 -> per ratio: three residual units (dilations 1, 3, 9), Snake, strided conv -> Snake -> conv k3.
Xcodec2Encoder::Signal Xcodec2Encoder::acoustic(const float* samples, int64_t num_samples,
                                                const StageProbe& probe) {
  Signal x{{}, num_samples, 1};
  copy_on_device(stream_, x.values.reserve(num_samples, kWhat), samples,
                 num_samples * static_cast<int64_t>(sizeof(float)));
  x = convolve(x, names_.conv_in, config_.encoder_hidden_size, same_conv(7));
  if (probe) probe("acoustic_conv1", x.values.data(), x.frames, x.channels);
  for (size_t i = 0; i < names_.blocks.size(); ++i) {
    const Xcodec2BlockNames& block = names_.blocks[i];
    int64_t dilation = 1;
    for (const Xcodec2UnitNames& unit : block.units) {
      Signal h = convolve(snake(x, unit.snake1), unit.conv1, x.channels, same_conv(7, dilation));
      h = convolve(snake(h, unit.snake2), unit.conv2, x.channels, same_conv(1));
      add_forward(stream_, x.values.data(), h.values.data(), x.values.data(), x.frames * x.channels);
      dilation *= 3;
    }
    const int64_t stride = config_.ratios[i], pad = (stride + 1) / 2;
    x = convolve(snake(x, block.snake), block.conv, 2 * x.channels, {0, 0, 2 * stride, stride, 1, pad, pad});
    if (probe) probe(("acoustic_block" + std::to_string(i)).c_str(), x.values.data(), x.frames, x.channels);
  }
  x = convolve(snake(x, names_.snake_out), names_.conv_out, config_.hidden_size, same_conv(3));
  if (probe) probe("acoustic_out", x.values.data(), x.frames, x.channels);
  return x;
}

Xcodec2Encoder::Signal Xcodec2Encoder::semantic(const float* samples, int64_t num_samples,
                                                const StageProbe& probe) {
  const int64_t frames = num_samples / 160, width = config_.semantic_feature_dim;
  LLASA_CHECK(width == 2 * kKaldiMels, Status::kArgument,
              "`options.semantic_feature_dim`: %lld, expected 160", static_cast<long long>(width));
  Signal features{{}, frames / 2, width};  // two frames stacked are one row
  DeviceBuffer<float> log_mel(frames * kKaldiMels, kWhat);
  features.values.reserve(frames * kKaldiMels, kWhat);
  kaldi_features_forward(stream_, samples, num_samples, features.values.data(), log_mel.data());
  if (probe) probe("log_mel_unnormalised", log_mel.data(), features.frames, width);
  if (probe) probe("input_features", features.values.data(), features.frames, width);
  const std::string projection = names_.semantic + "feature_projection.";
  Signal x = linear(normalise(features, projection + "layer_norm"), projection + "projection",
                    config_.semantic_hidden_size);
  for (int64_t l = 0; l < config_.semantic_num_layers; ++l) {
    semantic_layer(names_.semantic + "encoder.layers." + std::to_string(l) + ".", x);
  }
  if (probe) probe("semantic_hidden", x.values.data(), x.frames, x.channels);
  x = adapt(x);
  if (probe) probe("semantic_adapter", x.values.data(), x.frames, x.channels);
  return x;
}

// Wav2Vec2BertEncoderLayer: half feed-forward, attention, convolution, half feed-forward, LayerNorm.
void Xcodec2Encoder::semantic_layer(const std::string& layer, Signal& x) {
  feed_forward(layer, "ffn1", x);
  self_attention(layer, x);
  conv_module(layer, x);
  feed_forward(layer, "ffn2", x);
  x = normalise(x, layer + "final_layer_norm");
}

void Xcodec2Encoder::feed_forward(const std::string& layer, const char* which, Signal& x) {
  const std::string name = layer + which;
  Signal h = linear(normalise(x, name + "_layer_norm"), name + ".intermediate_dense",
                    config_.semantic_intermediate_size);
  silu_forward(stream_, h.values.data(), h.values.data(), h.frames * h.channels);
  h = linear(h, name + ".output_dense", x.channels);
  scaled_add_forward(stream_, h.values.data(), 0.5f, x.values.data(), x.frames * x.channels);
}

void Xcodec2Encoder::self_attention(const std::string& layer, Signal& x) {
  const std::string name = layer + "self_attn.";
  const int64_t C = x.channels, H = config_.semantic_num_heads, D = C / H;
  const Signal h = normalise(x, layer + "self_attn_layer_norm");
  const Signal q = linear(h, name + "linear_q", C), k = linear(h, name + "linear_k", C),
               v = linear(h, name + "linear_v", C);
  Signal attended{{}, x.frames, C};
  attended.values.reserve(x.frames * C, kWhat);
  relative_attention_forward(stream_, q.values.data(), k.values.data(), v.values.data(),
                             at(name + "distance_embedding.weight"), attended.values.data(), x.frames, H, D,
                             config_.semantic_left_positions, config_.semantic_right_positions,
                             1.0f / std::sqrt(static_cast<float>(D)));
  const Signal out = linear(attended, name + "linear_out", C);
  add_forward(stream_, x.values.data(), out.values.data(), x.values.data(), x.frames * C);
}

// The depthwise convolution is causal: all of its padding is on the left.
void Xcodec2Encoder::conv_module(const std::string& layer, Signal& x) {
  const std::string name = layer + "conv_module.";
  const int64_t C = x.channels, T = x.frames, K = config_.semantic_conv_kernel;
  const Signal wide = linear(normalise(x, name + "layer_norm"), name + "pointwise_conv1", 2 * C, false);
  Signal gated{{}, T, C}, filtered{{}, T, C};
  glu_forward(stream_, wide.values.data(), gated.values.reserve(T * C, kWhat), T, C);
  const int64_t offsets[2] = {0, T};
  depthwise_conv1d_forward(stream_, gated.values.data(), at(name + "depthwise_conv.weight"),
                           filtered.values.reserve(T * C, kWhat), offsets, 1, C, K, K - 1);
  Signal h = normalise(filtered, name + "depthwise_layer_norm");
  silu_forward(stream_, h.values.data(), h.values.data(), T * C);
  h = linear(h, name + "pointwise_conv2", C, false);
  add_forward(stream_, x.values.data(), h.values.data(), x.values.data(), T * C);
}

// conv4(conv3(relu(conv2(r))) + r), r = relu(conv1(x)).
Xcodec2Encoder::Signal Xcodec2Encoder::adapt(const Signal& x) {
  const int64_t count = x.frames * x.channels;
  Signal residual = convolve(x, names_.adapter[0], x.channels, same_conv(3));
  relu_forward(stream_, residual.values.data(), residual.values.data(), count);
  Signal h = convolve(residual, names_.adapter[1], x.channels, same_conv(3));
  relu_forward(stream_, h.values.data(), h.values.data(), count);
  h = convolve(h, names_.adapter[2], x.channels, same_conv(3));
  add_forward(stream_, h.values.data(), residual.values.data(), h.values.data(), count);
  return convolve(h, names_.adapter[3], x.channels, same_conv(3));
}

std::vector<int32_t> Xcodec2Encoder::encode(const float* waveform, int64_t num_samples,
                                            const StageProbe& probe) {
  prepare();
  LLASA_CHECK(config_.hop == 320, Status::kArgument,
              "the codec's encoder pairs 10 ms features with codes of 320 samples, but the hop is %lld",
              static_cast<long long>(config_.hop));
  const int64_t T = num_samples / config_.hop + 1, Q = config_.quantization_dim;
  std::vector<float> padded(waveform, waveform + num_samples);
  padded.resize(static_cast<size_t>(T * config_.hop), 0.0f);
  DeviceBuffer<float> samples;
  samples.upload(stream_, padded, kWhat);
  const Signal heard = semantic(samples.data(), T * config_.hop, probe);
  const Signal shape = acoustic(samples.data(), T * config_.hop, probe);
  // fc_encoder of [semantic, acoustic] side by side, without putting them so.
  Signal joined{{}, T, Q};
  joined.values.reserve(T * Q, kWhat);
  const float* weight = at(names_.fc + ".weight");
  const int64_t S = heard.channels;
  gemm(stream_, false, true, T, Q, S, 1.0f, heard.values.data(), S, weight, Q, 0.0f, joined.values.data(), Q);
  gemm(stream_, false, true, T, Q, Q - S, 1.0f, shape.values.data(), Q - S, weight + S, Q, 1.0f,
       joined.values.data(), Q);
  for (int64_t t = 0; t < T; ++t) {
    float* row = joined.values.data() + t * Q;
    add_forward(stream_, row, at(names_.fc + ".bias"), row, Q);
  }
  if (probe) probe("fc_encoder", joined.values.data(), T, Q);
  const auto n = static_cast<int64_t>(config_.levels.size());
  const Signal latents = linear(joined, names_.project_in, n);
  if (probe) probe("project_in", latents.values.data(), T, n);
  DeviceBuffer<float> bounded(T * n, kWhat);
  fsq_bound(stream_, latents.values.data(), config_.levels.data(), bounded.data(), T, n);
  if (probe) probe("bound_once", bounded.data(), T, n);
  fsq_bound(stream_, bounded.data(), config_.levels.data(), bounded.data(), T, n);
  if (probe) probe("bound_twice", bounded.data(), T, n);
  DeviceBuffer<int32_t> codes(T, kWhat);
  fsq_quantize(stream_, bounded.data(), config_.levels.data(), codes.data(), T, n);
  return codes.download(stream_, T);
}

}  // namespace llasa
