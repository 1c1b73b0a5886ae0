#include "models/whisper_decoder.h"

#include <cmath>

#include "ops/activation.h"
#include "ops/cast.h"
#include "ops/gemm.h"
#include "ops/norm.h"
#include "ops/transcript.h"

namespace llasa {

namespace {

constexpr const char* kWhat = "activations of the text decoder";

// Caches are zeroed when a lease takes them: attention reads whole vectors past the last key and needs finite
// numbers.
void reserve_zeroed(Stream& stream, PhaseBuffer<uint8_t>& buffer, int64_t bytes, const char* what) {
  if (buffer.holds(bytes)) return;
  buffer.reserve(bytes, what);
  zero_on_device(stream, buffer.data(), buffer.room());
}

int64_t slot_bytes_of(const KeyValueCache& cache) {
  return key_value_slot_size(cache.channels, cache.capacity) * cache.element_bytes();
}

}  // namespace

KeyValueCache WhisperDecoder::cache_of(size_t layer, PhaseBuffer<uint8_t>& buffer, int64_t positions) const {
  KeyValueCache cache{nullptr, whisper_.config().d_model, key_value_capacity(positions),
                      whisper_.table().storage() == Storage::kF32 ? DType::kF32 : DType::kBf16};
  cache.data = buffer.data() + static_cast<int64_t>(layer) * slots_ * slot_bytes_of(cache);
  return cache;
}
KeyValueCache WhisperDecoder::cross_cache(size_t layer) {
  return cache_of(layer, cross_, whisper_.config().max_source_positions);
}
KeyValueCache WhisperDecoder::text_cache(size_t layer) {
  return cache_of(layer, text_, whisper_.config().max_target_positions);
}

int64_t WhisperDecoder::slot_bytes(bool with_text) {
  const int64_t cross = slot_bytes_of(cross_cache(0)), text = slot_bytes_of(text_cache(0));
  return whisper_.config().decoder_layers * (cross + (with_text ? text : 0));
}

void WhisperDecoder::reserve(int64_t slots, bool with_text) {
  const int64_t layers = whisper_.config().decoder_layers;
  slots_ = slots;
  reserve_zeroed(whisper_.stream(), cross_, slots * layers * slot_bytes_of(cross_cache(0)),
                 "cross-attention caches");
  if (with_text) {
    reserve_zeroed(whisper_.stream(), text_, slots * layers * slot_bytes_of(text_cache(0)),
                   "caches of the texts");
  }
}

void WhisperDecoder::set_clips(const float* states, int64_t first, int64_t B) {
  const WhisperWeights& weights = whisper_.weights();
  Stream& stream = whisper_.stream();
  const int64_t C = whisper_.config().d_model, P = whisper_.config().max_source_positions;
  std::vector<int64_t> offsets{0}, slots, start(static_cast<size_t>(B), 0);
  for (int64_t b = 0; b < B; ++b) {
    slots.push_back(first + b);
    offsets.push_back((b + 1) * P);
  }
  float* projected = projected_.reserve(B * P * 2 * C, "keys and values of the encoder");
  WeightView heard = states;
  if (keeps_bf16(whisper_.precision())) {
    const ArrayView narrow = states_.reserve(B * P * C, whisper_.precision(), "encoder states");
    narrow_to_bf16(stream, states, C, narrow.bf16(), B * P, C);
    heard = narrow;
  }
  for (size_t l = 0; l < weights.decoder.size(); ++l) {
    const WhisperAffine& kv = weights.decoder[l].cross.kv;
    linear_forward(stream, heard, kv.weight, kv.bias, projected, B * P, C, 2 * C);
    cache_append(stream, projected, projected + C, 2 * C, cross_cache(l), offsets.data(), slots.data(),
                 start.data(), B);
  }
}

WeightView WhisperDecoder::continue_texts(const TextRows& rows) {
  return forward(rows, true);
}
WeightView WhisperDecoder::teacher_force(const TextRows& rows) {
  return forward(rows, false);
}

WeightView WhisperDecoder::forward(const TextRows& rows, bool cached) {
  Stream& stream = whisper_.stream();
  std::vector<int32_t> positions;
  for (int64_t a = 0; a < rows.sequences(); ++a) {
    const auto i = static_cast<size_t>(a);
    for (int64_t r = 0; r < rows.offsets[i + 1] - rows.offsets[i]; ++r) {
      positions.push_back(static_cast<int32_t>(rows.start[i] + r));
    }
  }
  ids_.upload(stream, rows.ids, kWhat);
  positions_.upload(stream, positions, kWhat);
  reserve_activations(rows.rows());
  return forward({rows.rows(), &rows, cached, nullptr}, ids_.data(), positions_.data());
}

WeightView WhisperDecoder::step(const DecodeState& state, int64_t A) {
  return forward({A, nullptr, true, state.rows}, state.ids, state.positions);
}

void WhisperDecoder::reserve_activations(int64_t N) {
  const WhisperConfig& config = whisper_.config();
  const int64_t C = config.d_model, F = config.decoder_ffn_dim;
  x_.reserve(N * C, kWhat);
  h_.reserve(N * C, whisper_.precision(), kWhat);
  inner_.reserve_over(ffn_.reserve(N * F, kWhat), N * F, whisper_.precision(), kWhat);
  wide_.reserve(N * 3 * C, kWhat);
  attended_.reserve(N * C, whisper_.precision(), kWhat);
}

void WhisperDecoder::reserve_step(int64_t A, std::vector<uint64_t>& facts) {
  reserve_activations(A);
  for (const auto* buffer : {&x_, &ffn_, &wide_}) buffer->add_facts(facts);
  for (const auto* buffer : {&h_, &inner_, &attended_}) buffer->add_facts(facts);
  for (const auto* buffer : {&cross_, &text_}) buffer->add_facts(facts);
  facts.push_back(reinterpret_cast<uintptr_t>(whisper_.weights().token_embedding.data));
  facts.push_back(static_cast<uint64_t>(slots_));
}

WeightView WhisperDecoder::forward(const Pass& pass, const int32_t* ids, const int32_t* positions) {
  const WhisperWeights& weights = whisper_.weights();
  const WhisperConfig& config = whisper_.config();
  Stream& stream = whisper_.stream();
  const int64_t N = pass.N, C = config.d_model, F = config.decoder_ffn_dim;
  float* x = x_.data();
  const ArrayView h = h_.view();
  float* ffn = ffn_.data();
  const ArrayView inner = keeps_bf16(whisper_.precision()) ? inner_.view() : ArrayView(ffn);
  text_embedding_forward(stream, weights.token_embedding, weights.decoder_positions, ids, positions, x, N, C,
                         config.scale_embedding ? std::sqrt(static_cast<float>(C)) : 1.0f);
  for (size_t l = 0; l < weights.decoder.size(); ++l) {
    const WhisperDecoderLayer& layer = weights.decoder[l];
    self_attention(layer.attention, l, pass);
    cross_attention(layer.cross, l, pass);
    layernorm_forward(stream, x, layer.ffn.norm.weight, layer.ffn.norm.bias, h, N, C, kWhisperNormEps);
    linear_forward(stream, h, layer.ffn.fc1.weight, layer.ffn.fc1.bias, ffn, N, C, F);
    gelu_forward(stream, ffn, inner, N * F);
    linear_forward(stream, inner, layer.ffn.fc2.weight, layer.ffn.fc2.bias, x, N, F, C, true);
  }
  layernorm_forward(stream, x, weights.decoder_norm.weight, weights.decoder_norm.bias, h, N, C,
                    kWhisperNormEps);
  return h;
}

void WhisperDecoder::self_attention(const WhisperSelfAttention& weights, size_t layer, const Pass& pass) {
  Stream& stream = whisper_.stream();
  const int64_t N = pass.N, C = whisper_.config().d_model;
  const int64_t H = whisper_.config().decoder_heads, D = C / H;
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
  const ArrayView h = h_.view(), attended = attended_.view();
  float* qkv = wide_.data();
  layernorm_forward(stream, x_.data(), weights.norm.weight, weights.norm.bias, h, N, C, kWhisperNormEps);
  linear_forward(stream, h, weights.qkv.weight, weights.qkv.bias, qkv, N, C, 3 * C);
  if (pass.rows != nullptr) {
    cached_attention_rows(stream, qkv, {qkv + C, qkv + 2 * C}, 3 * C, text_cache(layer), attended, pass.rows,
                          0, N, H, D, scale);
  } else if (pass.cached) {
    const TextRows& rows = *pass.texts;
    const int64_t A = rows.sequences();
    const KeyValueCache cache = text_cache(layer);
    std::vector<int64_t> visible = rows.start;
    for (int64_t& v : visible) ++v;  // a row sees itself
    cache_append(stream, qkv + C, qkv + 2 * C, 3 * C, cache, rows.offsets.data(), rows.slots.data(),
                 rows.start.data(), A);
    cached_attention_forward(stream, qkv, 3 * C, cache, attended, rows.offsets.data(), rows.slots.data(),
                             visible.data(), A, H, D, scale, true);
  } else {
    attention_full_forward(stream, qkv, qkv + C, qkv + 2 * C, attended, pass.texts->offsets.data(),
                           pass.texts->sequences(), H, D, 3 * C, scale, true);
  }
  linear_forward(stream, attended, weights.out.weight, weights.out.bias, x_.data(), N, C, C, true);
}

void WhisperDecoder::cross_attention(const WhisperCrossAttention& weights, size_t layer, const Pass& pass) {
  Stream& stream = whisper_.stream();
  const int64_t N = pass.N, C = whisper_.config().d_model, P = whisper_.config().max_source_positions;
  const int64_t H = whisper_.config().decoder_heads, D = C / H;
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
  const ArrayView h = h_.view(), attended = attended_.view();
  float* q = wide_.data();
  layernorm_forward(stream, x_.data(), weights.norm.weight, weights.norm.bias, h, N, C, kWhisperNormEps);
  linear_forward(stream, h, weights.q.weight, weights.q.bias, q, N, C, C);
  if (pass.rows != nullptr) {
    cached_attention_rows(stream, q, {}, C, cross_cache(layer), attended, pass.rows, P, N, H, D, scale);
  } else {
    const TextRows& rows = *pass.texts;
    const std::vector<int64_t> visible(rows.slots.size(), P);
    cached_attention_forward(stream, q, C, cross_cache(layer), attended, rows.offsets.data(),
                             rows.slots.data(), visible.data(), rows.sequences(), H, D, scale, false);
  }
  linear_forward(stream, attended, weights.out.weight, weights.out.bias, x_.data(), N, C, C, true);
}

void WhisperDecoder::logits(WeightView hidden, int64_t N, float* out) {
  linear_forward(whisper_.stream(), hidden, whisper_.weights().token_embedding, nullptr, out, N,
                 whisper_.config().d_model, whisper_.config().vocab_size);
}

}  // namespace llasa
