// How many bytes of keys and values attention of decoding reads: those of a shared prefix once for all rows that
// share it, those of a row's own tokens once.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "core/device.h"
#include "counts.h"
#include "ops/attention_decode.h"

namespace llasa::test {
namespace {

// Rows of a step: for each prefix as many neighbours as it has, own tokens of every number from 1 on.
struct Step {
  DecodeShape shape;
  struct Group {
    int32_t prefix;
    int64_t rows;
  };
  std::vector<Group> groups;
};

// Blocks of a step in two arrays, those of the prefixes and those of the rows' own tokens, of zeros.
class Traffic {
 public:
  explicit Traffic(const Step& step) : shape_(step.shape) {
    std::vector<int64_t> prefix_blocks, own_blocks;  // of each table
    int64_t prefixes = 0, owns = 0;
    std::vector<DecodeRow> rows;
    for (const Step::Group& group : step.groups) {
      for (int64_t r = 0; r < group.rows; ++r) {
        const auto own = static_cast<int32_t>(1 + rows.size() % 40);
        rows.push_back({prefixes, owns, group.prefix, own});
        owns += shape_.blocks(own);
        own_bytes_ += bytes(own);
      }
      prefixes += shape_.blocks(group.prefix);
      prefix_bytes_ += bytes(group.prefix);
    }
    for (DecodeRow& row : rows) row.own_table += prefixes;
    const int64_t block = shape_.layer_elements() * shape_.element_bytes();
    prefix_.reserve(prefixes * block, "keys and values of prefixes");
    own_.reserve(owns * block, "keys and values of rows");
    zero_on_device(stream_, prefix_.data(), prefixes * block);
    zero_on_device(stream_, own_.data(), owns * block);
    std::vector<void*> tables;
    for (int64_t b = 0; b < prefixes; ++b) tables.push_back(prefix_.data() + b * block);
    for (int64_t b = 0; b < owns; ++b) tables.push_back(own_.data() + b * block);
    tables_.upload(stream_, tables, "tables");
    rows_.upload(stream_, rows, "rows");
    count_ = static_cast<int64_t>(rows.size());
    qkv_.reserve(count_ * shape_.row(), "queries");
    out_.reserve(count_ * shape_.H * shape_.D, "outputs");
    zero_on_device(stream_, qkv_.data(), count_ * shape_.row() * 4);
    stream_.synchronize();
  }

  // What a pass reads of one of the two arrays.
  int64_t of_prefixes() { return reads_of(prefix_); }
  int64_t of_own_tokens() { return reads_of(own_); }
  // What each key and value has, counted once.
  int64_t prefix_bytes() const { return prefix_bytes_; }
  int64_t own_bytes() const { return own_bytes_; }

 private:
  int64_t bytes(int64_t tokens) const { return tokens * 2 * shape_.G * shape_.D * shape_.element_bytes(); }
  int64_t reads_of(const DeviceBuffer<char>& array) {
    cudasim::watch_reads(array.data(), array.capacity());
    attention_decode(stream_, qkv_.data(), out_.data(), rows_.data(), tables_.data(), 0, count_, shape_);
    stream_.synchronize();
    const int64_t read = cudasim::watched_reads();
    cudasim::watch_reads(nullptr, 0);
    return read;
  }

  Stream stream_;
  DecodeShape shape_;
  DeviceBuffer<char> prefix_, own_;
  DeviceBuffer<void*> tables_;
  DeviceBuffer<DecodeRow> rows_;
  DeviceBuffer<float> qkv_, out_;
  int64_t count_ = 0, prefix_bytes_ = 0, own_bytes_ = 0;
};

// Prefixes of a piece of a block, of one stretch of a split and of several; groups of one, of what a block has
// registers for, and of several times that.
TEST(DecodeTraffic, APrefixIsReadOnceForAllRowsAndHeadsOfItsGroup) {
  const std::vector<Step::Group> groups = {{5, 1}, {70, 3}, {128, 16}, {333, 40}, {333, 1}, {0, 2}};
  for (const DecodeShape& shape : {DecodeShape{4, 2, 64}, DecodeShape{8, 1, 128}, DecodeShape{4, 1, 256},
                                   DecodeShape{8, 2, 64, DType::kBf16}, DecodeShape{4, 1, 128, DType::kBf16},
                                   DecodeShape{4, 2, 24, DType::kBf16}, DecodeShape{2, 1, 10, DType::kBf16},
                                   DecodeShape{2, 1, 160, DType::kBf16}}) {
    Traffic step({shape, groups});
    const auto name = testing::Message() << "H " << shape.H << " G " << shape.G << " D " << shape.D;
    EXPECT_EQ(step.of_prefixes(), step.prefix_bytes()) << name;
    // A row's queries go through its own tokens kVectors, four or eight, at a time: here at once.
    EXPECT_EQ(step.of_own_tokens(), step.own_bytes()) << name;
  }
}

// As many bytes however many samples are alive; a row more reads its own tokens alone.
TEST(DecodeTraffic, RowsThatLeaveChangeNothingForThePrefix) {
  const DecodeShape shape{8, 2, 64, DType::kBf16};
  for (const int64_t rows : {1, 2, 5, 16, 33, 128}) {
    Traffic step({shape, {{150, rows}}});
    EXPECT_EQ(step.of_prefixes(), 150 * 2 * 2 * 64 * 2) << rows;
  }
}

// Rows beyond those of one launch are another launch's, which reads the prefix for its own.
TEST(DecodeTraffic, ALaunchOf128RowsReadsAPrefixOnce) {
  Traffic step({{2, 1, 32, DType::kBf16}, {{20, 130}}});
  EXPECT_EQ(step.of_prefixes(), 2 * step.prefix_bytes());
}

}  // namespace
}  // namespace llasa::test
