// Packing of sequences for one forward pass, and the cut of a batch into micro-batches.
#pragma once

#include <cstdint>
#include <vector>

#include "models/llama_config.h"
#include "ops/attention.h"

namespace llasa {

// Whole sequences, packed, as llasa_token_batch says; borrowed.
struct TokenBatch {
  int64_t num_sequences = 0;                // B
  const int64_t* offsets = nullptr;         // [B+1]
  const int32_t* token_ids = nullptr;       // [offsets[B]]
  const int64_t* prompt_lengths = nullptr;  // [B]
};

// Throws Status::kArgument, Status::kToken or Status::kCapacity naming the entry that is wrong.
void check_token_batch(const TokenBatch& batch, const LlamaConfig& config);

inline int64_t sequence_length(const TokenBatch& batch, int64_t b) {
  return batch.offsets[b + 1] - batch.offsets[b];
}
// Scored tokens of sequence b.
inline int64_t response_length(const TokenBatch& batch, int64_t b) {
  return sequence_length(batch, b) - batch.prompt_lengths[b];
}
// N, the scored tokens of the whole batch.
int64_t scored_tokens(const TokenBatch& batch);

// Sequences [begin, end) of the batch, computed together; their scored tokens are [first_scored, + scored).
struct MicroBatch {
  int64_t begin = 0, end = 0;
  int64_t first_scored = 0, scored = 0;
};

// Cuts so that a micro-batch computes at most `tokens` rows (at least one sequence). A sequence is never
// split; sequences with the same prompt stay together where they fit.
std::vector<MicroBatch> cut_micro_batches(const TokenBatch& batch, int64_t tokens);

// The rows of a forward pass. First, for each group of consecutive sequences with the same prompt of P
// tokens, a shared prefix of prompt tokens 0..P-2; behind all prefixes, for each sequence, the last prompt
// token and the response without its last token. So every row from first_scored_row on predicts exactly one
// scored token, in the order of the scored tokens, and no row before it predicts any.
struct PackedRows {
  int64_t rows = 0;
  int64_t first_scored_row = 0;
  int64_t positions_used = 0;       // highest position + 1
  std::vector<int32_t> token_ids;   // [rows]
  std::vector<int32_t> positions;   // [rows]
  std::vector<int32_t> target_ids;  // [rows - first_scored_row]
  std::vector<AttentionGroup> groups;
};

PackedRows pack_rows(const TokenBatch& batch, const MicroBatch& micro);
// One sequence, every row wanted; no targets.
PackedRows pack_sequence(const int32_t* token_ids, int64_t count);

}  // namespace llasa
