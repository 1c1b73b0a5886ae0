#include "models/kv_cache.h"

#include <algorithm>

#include "core/status.h"

namespace llasa {

namespace {
constexpr int64_t kSlabBytes = int64_t{4} << 20;  // at least
}

KvCache::KvCache(const LlamaConfig& config, int64_t rows, int64_t max_tokens, DType dtype, Phase& phase)
    : phase_(phase),
      shape_{config.num_heads, config.num_kv_heads, config.head_dim, dtype},
      block_bytes_(config.num_layers * shape_.layer_elements() * shape_.element_bytes()),
      blocks_per_row_(shape_.blocks(max_tokens)),
      used_(static_cast<size_t>(rows), 0),
      host_tables_(static_cast<size_t>(rows * blocks_per_row_), nullptr) {}

void KvCache::begin(int64_t blocks) {
  expected_ = blocks;
  blocks_total_ = 0;
  free_.clear();
  std::fill(used_.begin(), used_.end(), 0);
}

// An eighth of what is expected, then as much as there is already: 1/8, 1/8, 1/4, 1/2. Where no slab of that size is
// to be had, a smaller one may do.
void KvCache::allocate_slab() {
  const int64_t least = std::max<int64_t>(1, kSlabBytes / block_bytes_);
  int64_t blocks = std::max({least, (expected_ + 7) / 8, blocks_total_});
  const int64_t left = expected_ - blocks_total_;
  blocks = left > 0 ? std::min(blocks, left) : least;
  // Room in the lists first: taking a block back then never allocates.
  free_.reserve(static_cast<size_t>(blocks_total_ + blocks));
  char* slab = nullptr;
  for (;;) {
    try {
      slab = static_cast<char*>(phase_.take(blocks * block_bytes_, "keys and values of rollouts"));
      break;
    } catch (const Error& error) {
      if (error.status() != Status::kOutOfMemory || blocks <= least) throw;
      blocks = std::max(least, blocks / 2);
    }
  }
  blocks_total_ += blocks;
  for (int64_t b = blocks - 1; b >= 0; --b) free_.push_back(slab + b * block_bytes_);
}

void KvCache::extend(int64_t row, int64_t tokens) {
  int64_t& used = used_[static_cast<size_t>(row)];
  for (const int64_t wanted = shape_.blocks(tokens); used < wanted; ++used) {
    if (free_.empty()) allocate_slab();
    host_tables_[static_cast<size_t>(table(row) + used)] = free_.back();
    free_.pop_back();
    dirty_ = true;
  }
}

void KvCache::release(int64_t row) {
  int64_t& used = used_[static_cast<size_t>(row)];
  while (used > 0) free_.push_back(host_tables_[static_cast<size_t>(table(row) + --used)]);
}

void KvCache::release_all() {
  for (size_t row = 0; row < used_.size(); ++row) release(static_cast<int64_t>(row));
}

void* const* KvCache::tables(Stream& stream) {
  if (dirty_)
    device_tables_.upload(stream, std::span<void* const>(host_tables_), "the tables of cache blocks");
  dirty_ = false;
  return device_tables_.data();
}

}  // namespace llasa
