#include "core/scratch.h"

#include <algorithm>

namespace llasa {

namespace {
constexpr int64_t kAlignment = 256;
constexpr int64_t kFirstBlock = int64_t{1} << 20;
constexpr int64_t kLargestStep = int64_t{256} << 20;
}  // namespace

ScratchArena::~ScratchArena() {
  for (const Block& block : blocks_) device_free(block.memory, block.bytes);
}

int64_t ScratchArena::bytes() const {
  int64_t total = 0;
  for (const Block& block : blocks_) total += block.bytes;
  return total;
}

void* ScratchArena::take(int64_t bytes) {
  bytes = std::max<int64_t>(1, (bytes + kAlignment - 1) / kAlignment) * kAlignment;
  while (top_.block < blocks_.size() && top_.used + bytes > blocks_[top_.block].bytes)
    top_ = {top_.block + 1, 0};
  if (top_.block == blocks_.size()) {
    // Twice the last block up to a limit: few blocks for a growing need, and little of it unused.
    const int64_t size =
        std::max(bytes, blocks_.empty() ? kFirstBlock : std::min(kLargestStep, 2 * blocks_.back().bytes));
    blocks_.reserve(blocks_.size() + 1);
    blocks_.push_back({static_cast<char*>(device_allocate(size, "the scratch memory of kernels")), size});
  }
  taken_ += bytes;
  char* memory = blocks_[top_.block].memory + top_.used;
  top_.used += bytes;
  return memory;
}

}  // namespace llasa
