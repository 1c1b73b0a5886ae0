// Whisper's text decoder over a batch of clips: cross-attention keys and values of every clip (a slot each),
// caches of the texts being written, and teacher-forced passes. Caches are of the type that the model computes
// in.
#pragma once

#include <span>
#include <vector>

#include "core/device.h"
#include "core/phase_memory.h"
#include "models/whisper.h"
#include "ops/attention_full.h"
#include "ops/decode_loop.h"

namespace llasa {

// Rows to compute: sequence a is rows offsets[a] .. offsets[a+1], its clip's slot slots[a], and its first row
// stands at position start[a] of its text.
struct TextRows {
  std::vector<int64_t> offsets{0};
  std::vector<int64_t> slots;
  std::vector<int64_t> start;
  std::vector<int32_t> ids;

  void add(int64_t slot, int64_t position, std::span<const int32_t> tokens) {
    slots.push_back(slot);
    start.push_back(position);
    ids.insert(ids.end(), tokens.begin(), tokens.end());
    offsets.push_back(static_cast<int64_t>(ids.size()));
  }
  int64_t sequences() const { return static_cast<int64_t>(slots.size()); }
  int64_t rows() const { return static_cast<int64_t>(ids.size()); }
};

// Caches and activations are of the model's phase: one lease of it holds all calls from reserve on.
class WhisperDecoder {
 public:
  explicit WhisperDecoder(Whisper& whisper) : whisper_(whisper) {}

  // Bytes of caches one slot takes, with and without a text cache.
  int64_t slot_bytes(bool with_text);

  // Room for `slots` clips; contents are undefined until set.
  void reserve(int64_t slots, bool with_text);
  // Keys and values of the encoder states [B, P, C] (device) into slots first .. first + B - 1.
  void set_clips(const float* states, int64_t first, int64_t B);

  // Final hidden states [rows, C] on the device, as products read them, good until the next call. Continues the
  // cached texts: rows are appended at start[a], where the text so far must have been appended before.
  WeightView continue_texts(const TextRows& rows);
  // One token more of each of A texts, of a decode loop on the device (ops/decode_loop.h): ids, positions and
  // rows [A] of it, own_table the slot. Nothing is uploaded or waited for.
  WeightView step(const DecodeState& state, int64_t A);
  // Room for a step of A texts, and where it is: what a recorded step has baked in.
  void reserve_step(int64_t A, std::vector<uint64_t>& facts);
  // The same for whole texts (start 0) without touching the caches.
  WeightView teacher_force(const TextRows& rows);

  // logits [N, V] of hidden states [N, C]; both on the device.
  void logits(WeightView hidden, int64_t N, float* out);

 private:
  // What a pass computes: whole texts or their continuations, or one row of each text of a decode loop.
  struct Pass {
    int64_t N;
    const TextRows* texts;
    bool cached;
    const DecodeRow* rows;
  };
  WeightView forward(const TextRows& rows, bool cached);
  WeightView forward(const Pass& pass, const int32_t* ids, const int32_t* positions);
  void reserve_activations(int64_t N);
  void self_attention(const WhisperSelfAttention& weights, size_t layer, const Pass& pass);
  void cross_attention(const WhisperCrossAttention& weights, size_t layer, const Pass& pass);
  KeyValueCache cache_of(size_t layer, PhaseBuffer<uint8_t>& buffer, int64_t positions) const;
  KeyValueCache cross_cache(size_t layer);
  KeyValueCache text_cache(size_t layer);

  Whisper& whisper_;
  int64_t slots_ = 0;
  Phase& phase_ = whisper_.phase();
  PhaseBuffer<uint8_t> cross_{phase_}, text_{phase_};  // [layer][slot]
  DeviceBuffer<int32_t> ids_, positions_;
  // Of the rows in a pass: the residual stream x_, what products make, and what they read.
  PhaseBuffer<float> x_{phase_}, wide_{phase_}, ffn_{phase_}, projected_{phase_};
  OperandBuffer h_{phase_}, attended_{phase_}, inner_{phase_}, states_{phase_};
};

}  // namespace llasa
