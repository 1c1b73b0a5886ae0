#include "models/token_batch.h"

#include <algorithm>

#include "core/status.h"

namespace llasa {

namespace {

bool same_prompt(const TokenBatch& batch, int64_t a, int64_t b) {
  const int64_t length = batch.prompt_lengths[a];
  const int32_t* first = batch.token_ids + batch.offsets[a];
  return length == batch.prompt_lengths[b] &&
         std::equal(first, first + length, batch.token_ids + batch.offsets[b]);
}

// End of the run of sequences that share the prompt of sequence `begin`.
int64_t group_end(const TokenBatch& batch, int64_t begin, int64_t limit) {
  int64_t end = begin + 1;
  while (end < limit && same_prompt(batch, begin, end)) ++end;
  return end;
}

}  // namespace

void check_token_batch(const TokenBatch& batch, const LlamaConfig& config) {
  const int64_t B = batch.num_sequences;
  LLASA_CHECK(B >= 0, Status::kArgument, "`batch.num_sequences`: %lld, expected >= 0",
              static_cast<long long>(B));
  if (B == 0) return;
  LLASA_CHECK(batch.offsets != nullptr, Status::kArgument, "`batch.offsets` is NULL");
  LLASA_CHECK(batch.token_ids != nullptr, Status::kArgument, "`batch.token_ids` is NULL");
  LLASA_CHECK(batch.prompt_lengths != nullptr, Status::kArgument, "`batch.prompt_lengths` is NULL");
  LLASA_CHECK(batch.offsets[0] == 0, Status::kArgument, "`batch.offsets[0]`: %lld, expected 0",
              static_cast<long long>(batch.offsets[0]));
  for (int64_t b = 0; b < B; ++b) {
    const int64_t length = sequence_length(batch, b), prompt = batch.prompt_lengths[b];
    LLASA_CHECK(length > 0, Status::kArgument,
                "`batch.offsets[%lld]`: %lld, expected more than the one before",
                static_cast<long long>(b + 1), static_cast<long long>(batch.offsets[b + 1]));
    LLASA_CHECK(prompt >= 1 && prompt <= length, Status::kArgument,
                "`batch.prompt_lengths[%lld]`: %lld, expected 1..%lld", static_cast<long long>(b),
                static_cast<long long>(prompt), static_cast<long long>(length));
    LLASA_CHECK(length <= config.max_positions, Status::kCapacity,
                "sequence %lld of `batch` has %lld tokens, but max_position_embeddings is %lld",
                static_cast<long long>(b), static_cast<long long>(length),
                static_cast<long long>(config.max_positions));
    for (int64_t i = batch.offsets[b]; i < batch.offsets[b + 1]; ++i) {
      const int32_t id = batch.token_ids[i];
      LLASA_CHECK(id >= 0 && id < config.vocab_size, Status::kToken,
                  "`batch.token_ids[%lld]` (sequence %lld): %d, expected 0..%lld", static_cast<long long>(i),
                  static_cast<long long>(b), id, static_cast<long long>(config.vocab_size) - 1);
    }
  }
}

int64_t scored_tokens(const TokenBatch& batch) {
  int64_t count = 0;
  for (int64_t b = 0; b < batch.num_sequences; ++b) count += response_length(batch, b);
  return count;
}

std::vector<MicroBatch> cut_micro_batches(const TokenBatch& batch, int64_t tokens) {
  std::vector<MicroBatch> cuts;
  MicroBatch current;
  int64_t used = 0;  // rows of `current`
  const auto close = [&] {
    if (current.scored > 0) cuts.push_back(current);
    current.begin = current.end;
    current.first_scored += current.scored;
    current.scored = 0;
    used = 0;
  };
  for (int64_t begin = 0; begin < batch.num_sequences;) {
    const int64_t end = group_end(batch, begin, batch.num_sequences);
    const int64_t prefix = batch.prompt_lengths[begin] - 1;
    int64_t whole = prefix;
    for (int64_t b = begin; b < end; ++b) whole += response_length(batch, b);
    if (used + whole > tokens && whole <= tokens) close();
    bool prefix_paid = false;
    for (int64_t b = begin; b < end; ++b) {
      const int64_t response = response_length(batch, b);
      if (used > 0 && used + response + (prefix_paid ? 0 : prefix) > tokens) {
        close();
        prefix_paid = false;
      }
      if (response > 0) {
        used += response + (prefix_paid ? 0 : prefix);
        prefix_paid = true;
      }
      current.scored += response;
      current.end = b + 1;
    }
    begin = end;
  }
  close();
  return cuts;
}

PackedRows pack_rows(const TokenBatch& batch, const MicroBatch& micro) {
  PackedRows packed;
  const auto append = [&](const int32_t* ids, int64_t first_position, int64_t count) {
    const RowRange range{packed.rows, packed.rows + count};
    for (int64_t i = 0; i < count; ++i) {
      packed.token_ids.push_back(ids[first_position + i]);
      packed.positions.push_back(static_cast<int32_t>(first_position + i));
    }
    packed.rows += count;
    if (count > 0) packed.positions_used = std::max(packed.positions_used, first_position + count);
    return range;
  };
  std::vector<RowRange> members;  // sequences of each group
  for (int64_t begin = micro.begin; begin < micro.end;) {
    const int64_t end = group_end(batch, begin, micro.end);
    int64_t responses = 0;
    for (int64_t b = begin; b < end; ++b) responses += response_length(batch, b);
    if (responses > 0) {
      AttentionGroup group;
      group.prefix = append(batch.token_ids + batch.offsets[begin], 0, batch.prompt_lengths[begin] - 1);
      packed.groups.push_back(group);
      members.push_back({begin, end});
    }
    begin = end;
  }
  packed.first_scored_row = packed.rows;
  for (size_t g = 0; g < members.size(); ++g) {
    for (int64_t b = members[g].begin; b < members[g].end; ++b) {
      const int64_t count = response_length(batch, b), prompt = batch.prompt_lengths[b];
      if (count == 0) continue;
      const int32_t* ids = batch.token_ids + batch.offsets[b];
      packed.groups[g].parts.push_back(append(ids, prompt - 1, count));
      packed.target_ids.insert(packed.target_ids.end(), ids + prompt, ids + prompt + count);
    }
  }
  return packed;
}

PackedRows pack_sequence(const int32_t* token_ids, int64_t count) {
  PackedRows packed;
  packed.rows = packed.positions_used = count;
  packed.token_ids.assign(token_ids, token_ids + count);
  for (int64_t i = 0; i < count; ++i) packed.positions.push_back(static_cast<int32_t>(i));
  packed.groups.push_back({{0, 0}, {{0, count}}});
  return packed;
}

}  // namespace llasa
