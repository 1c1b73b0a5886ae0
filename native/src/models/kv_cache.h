// Memory for keys and values while decoding: blocks of kKvBlock tokens (ops/attention_decode.h), handed out
// and taken back one by one, and the tables that say which blocks a prompt or a sequence owns.
#pragma once

#include <cstdint>
#include <vector>

#include "core/device.h"
#include "core/phase_memory.h"
#include "models/llama_config.h"
#include "ops/attention_decode.h"

namespace llasa {

// A table has one row of block pointers per prompt in flight and per slot. Memory is taken from the rollout's phase as
// tokens need it, in a few slabs, and goes with it. Copies of a prompt's keys are never made: rows of its samples name the
// prompt's table.
class KvCache {
 public:
  // rows: prompts in flight plus slots; max_tokens: longest sequence; dtype: DType::kF32 or DType::kBf16.
  KvCache(const LlamaConfig& config, int64_t rows, int64_t max_tokens, DType dtype, Phase& phase);

  const DecodeShape& shape() const { return shape_; }
  // Offset of a row in tables().
  int64_t table(int64_t row) const { return row * blocks_per_row_; }
  // A lease of the phase begins: no row has blocks, and there are none. blocks: as much as will be asked for in it; they
  // come in at most four slabs.
  void begin(int64_t blocks);
  // Gives row blocks for `tokens` tokens in all. Throws Status::kOutOfMemory.
  void extend(int64_t row, int64_t tokens);
  // Takes back the blocks of a row.
  void release(int64_t row);
  void release_all();
  // The tables on the device, uploaded if they changed.
  void* const* tables(Stream& stream);

  int64_t blocks_in_use() const { return blocks_total_ - static_cast<int64_t>(free_.size()); }
  int64_t blocks_total() const { return blocks_total_; }

 private:
  void allocate_slab();

  Phase& phase_;
  DecodeShape shape_;
  int64_t block_bytes_;
  int64_t blocks_per_row_;
  int64_t expected_ = 0;
  int64_t blocks_total_ = 0;
  std::vector<void*> free_;
  std::vector<int64_t> used_;  // blocks of each row
  std::vector<void*> host_tables_;
  DeviceBuffer<void*> device_tables_;
  bool dirty_ = true;
};

}  // namespace llasa
