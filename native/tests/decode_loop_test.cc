#include "ops/decode_loop.h"

#include "op_test_util.h"

namespace llasa::test {
namespace {

// Four rows: one goes on, one meets the stop token, one its last token, one an error of sampling; and a fifth
// that only fills the batch. Three steps, so that those that ended must stand still.
TEST(DecodeLoop, RowsMoveOnOrStandStill) {
  constexpr int64_t T = 5, kSteps = 3;
  const StopRule stop{7, 3};
  const DeviceArray<int32_t> drawn(std::vector<int32_t>{11, 7, 12, kSampleNotFinite, 13});
  const DeviceArray<float> logprobs(std::vector<float>{-1, -2, -3, 0, -5}),
      draw_logprobs(std::vector<float>{-0.5, -1.5, -2.5, 0, -4.5});
  DeviceArray<int32_t> ids(std::vector<int32_t>{1, 2, 3, 4, 5}),
      positions(std::vector<int32_t>{10, 20, 30, 40, 0});
  std::vector<DecodeRow> start_rows;
  std::vector<SampleRow> start_samples;
  for (int32_t t = 0; t < T; ++t) {
    start_rows.push_back({100 + t, 200 + t, 9, 5 + t});
    start_samples.push_back({static_cast<uint64_t>(60 + t), 11 + t, t, 3});
  }
  DeviceArray<DecodeRow> rows(start_rows);
  DeviceArray<SampleRow> samples(start_samples);
  DeviceArray<DecodeProgress> progress(
      std::vector<DecodeProgress>{{4, 2, 0}, {9, 0, 0}, {1, 0, 0}, {9, 9, 0}, {0, 0, 0}});
  DeviceArray<DrawnToken> record(T * kSteps);
  const DecodeState state{ids.data(),     positions.data(), rows.data(),
                          samples.data(), progress.data(),  record.data()};
  Stream stream;
  for (int64_t s = 0; s < kSteps; ++s)
    decode_advance(stream, state, stop, drawn.data(), logprobs.data(), draw_logprobs.data(), T);
  stream.synchronize();

  const auto recorded = record.values();
  const std::vector<int32_t> first = {11, 7, 12, kSampleNotFinite, kDrawnNothing};
  for (size_t t = 0; t < T; ++t) {
    EXPECT_EQ(recorded[t].id, first[t]);
    if (t < 3) {
      EXPECT_EQ(recorded[t].logprob, -1.0f - static_cast<float>(t));
      EXPECT_EQ(recorded[t].draw_logprob, -0.5f - static_cast<float>(t));
    }
    for (size_t s = 1; s < kSteps; ++s) EXPECT_EQ(recorded[s * T + t].id, t == 0 ? 11 : kDrawnNothing);
  }
  EXPECT_EQ(ids.values(), (std::vector<int32_t>{11, 2, 3, 4, 5}));
  EXPECT_EQ(positions.values(), (std::vector<int32_t>{13, 20, 30, 40, 0}));
  const auto end_rows = rows.values();
  const auto end_samples = samples.values();
  const auto end_progress = progress.values();
  const std::vector<int32_t> left = {1, 0, 0, 0, 0};
  for (size_t t = 0; t < T; ++t) {
    const int32_t moved = t == 0 ? kSteps : 0;
    EXPECT_EQ(end_rows[t].own_tokens, start_rows[t].own_tokens + moved);
    EXPECT_EQ(end_rows[t].own_table, start_rows[t].own_table);
    EXPECT_EQ(end_rows[t].prefix_table, start_rows[t].prefix_table);
    EXPECT_EQ(end_rows[t].prefix_tokens, start_rows[t].prefix_tokens);
    EXPECT_EQ(end_samples[t].position, start_samples[t].position + moved);
    EXPECT_EQ(end_samples[t].sequence_id, start_samples[t].sequence_id);
    EXPECT_EQ(end_samples[t].history, start_samples[t].history);
    EXPECT_EQ(end_samples[t].forbidden_column, t == 0 ? -1 : 3);  // allowed after two more tokens
    EXPECT_EQ(end_progress[t].left, left[t]);
    EXPECT_EQ(end_progress[t].steps, kSteps);
  }
}

// The stop token is forbidden exactly as long as until_stop says.
TEST(DecodeLoop, StopTokenIsForbiddenWhileTheResponseIsShort) {
  const DeviceArray<int32_t> drawn(std::vector<int32_t>{11});
  const DeviceArray<float> logprobs(std::vector<float>{-1});
  DeviceArray<int32_t> ids(1), positions(1);
  DeviceArray<DecodeRow> rows(1);
  DeviceArray<SampleRow> samples(std::vector<SampleRow>{{0, 0, 0, 3}});
  DeviceArray<DecodeProgress> progress(std::vector<DecodeProgress>{{9, 3, 0}});
  DeviceArray<DrawnToken> record(4);
  const DecodeState state{ids.data(),     positions.data(), rows.data(),
                          samples.data(), progress.data(),  record.data()};
  Stream stream;
  for (const int32_t forbidden : {3, 3, -1, -1}) {
    decode_advance(stream, state, {7, 3}, drawn.data(), logprobs.data(), logprobs.data(), 1);
    stream.synchronize();
    EXPECT_EQ(samples.values()[0].forbidden_column, forbidden);
  }
}

}  // namespace
}  // namespace llasa::test
