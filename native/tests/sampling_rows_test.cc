// The sampling kernel on arrays of a device: what it draws of the same arrays on the host, to the bit.
#include "ops/sampling_rows.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "device_arrays.h"
#include "sampling_fixture.h"
#include "simulated.h"

namespace llasa::test {
namespace {

struct Rows {
  int64_t vocab = 0;
  std::vector<float> logits;
  std::vector<uint64_t> sequences;
  std::vector<int64_t> positions;
  std::vector<int64_t> offsets;  // empty: no history
  std::vector<int32_t> history;

  int64_t count() const { return static_cast<int64_t>(sequences.size()); }
};

Rows make_rows(int64_t count, int64_t vocab, uint32_t seed, bool with_history = true) {
  Rows rows;
  rows.vocab = vocab;
  rows.logits = random_logits(static_cast<size_t>(count * vocab), seed);
  if (with_history) rows.offsets.push_back(0);
  for (int64_t r = 0; r < count; ++r) {
    rows.sequences.push_back(static_cast<uint64_t>(40 + r));
    rows.positions.push_back(7 * r);
    if (!with_history) continue;
    for (int64_t i = 0; i < 5 * r; ++i) rows.history.push_back(static_cast<int32_t>(i * 37 % vocab));
    rows.offsets.push_back(static_cast<int64_t>(rows.history.size()));
  }
  return rows;
}

Draws on_host(const llasa_sampling_options& o, const Rows& rows) {
  Draws d{std::vector<int32_t>(rows.sequences.size()), std::vector<float>(rows.sequences.size())};
  EXPECT_EQ(llasa_sample(&o, rows.logits.data(), rows.count(), rows.vocab,
                         rows.offsets.empty() ? nullptr : rows.offsets.data(), rows.history.data(),
                         rows.sequences.data(), rows.positions.data(), d.ids.data(), d.logprobs.data()),
            LLASA_OK)
      << llasa_last_error();
  return d;
}

struct DeviceRows {
  DeviceRows(Caller& caller, const Rows& rows)
      : logits(caller.array(rows.logits)),
        sequences(caller.array(rows.sequences)),
        positions(caller.array(rows.positions)),
        offsets(caller.array(rows.offsets)),
        history(caller.array(rows.history)),
        ids(caller.array(std::vector<int32_t>(rows.sequences.size(), 77))),
        logprobs(caller.array(std::vector<float>(rows.sequences.size(), 77.0f))) {}

  llasa_status sample(const llasa_sampling_options& o, const Rows& rows, void* stream) {
    return llasa_sample_on_device(-1, stream, &o, logits.data(), rows.count(), rows.vocab, offsets.data(),
                                  history.data(), static_cast<int64_t>(rows.history.size()), sequences.data(),
                                  positions.data(), ids.data(), logprobs.data());
  }

  DeviceBuffer<float> logits;
  DeviceBuffer<uint64_t> sequences;
  DeviceBuffer<int64_t> positions, offsets;
  DeviceBuffer<int32_t> history, ids;
  DeviceBuffer<float> logprobs;
};

// What is drawn, and that the caller's logits stay as they were.
Draws on_device(const llasa_sampling_options& o, const Rows& rows) {
  const int64_t bytes = allocated_bytes();
  Draws d;
  {
    Caller caller;
    DeviceRows arrays(caller, rows);
    EXPECT_EQ(arrays.sample(o, rows, caller.handle()), LLASA_OK) << llasa_last_error();
    d = {caller.read(arrays.ids), caller.read(arrays.logprobs)};
    const auto left = caller.read(arrays.logits);
    EXPECT_TRUE(std::equal(left.begin(), left.end(), rows.logits.begin(),
                           [](float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); }));
  }
  EXPECT_EQ(allocated_bytes(), bytes);
  return d;
}

llasa_sampling_options filters(float penalty, int32_t start, int32_t end, int32_t extra) {
  llasa_sampling_options o = options();
  o.temperature = 0.8f;
  o.top_k = 20;
  o.top_p = 0.95f;
  o.repetition_penalty = penalty;
  o.restrict_start = start;
  o.restrict_end = end;
  o.restrict_extra = extra;
  o.seed = 5;
  return o;
}

// Rows of one block's columns and of more; extra ids below, above and none, a range that begins late.
TEST(SamplingRows, OnTheDeviceDrawTheBitsOfThoseOnTheHost) {
  for (const int64_t vocab : {int64_t{33}, int64_t{8200}}) {
    const Rows rows = make_rows(5, vocab, 3);
    const auto last = static_cast<int32_t>(vocab - 1);
    for (const float penalty : {1.0f, 1.3f}) {
      for (const auto& [start, end, extra] :
           {std::tuple{0, 0, -1}, {9, last, -1}, {9, last, 2}, {9, last, last}, {0, 9, last}}) {
        const llasa_sampling_options o = filters(penalty, start, end, extra);
        EXPECT_EQ(on_device(o, rows), on_host(o, rows))
            << vocab << " " << penalty << " " << start << " " << extra;
      }
    }
    const Rows without = make_rows(5, vocab, 3, false);
    EXPECT_EQ(on_device(filters(1.3f, 0, 0, -1), without), on_host(filters(1.3f, 0, 0, -1), without));
  }
}

TEST(SamplingRows, AHistoryIsPenalisedInItsOwnRow) {
  Rows rows = make_rows(2, 5, 1);
  rows.logits = {1, 9, 8, 1, 1, 1, 9, 8, 1, 1};
  rows.offsets = {0, 1, 1};
  rows.history = {1};
  llasa_sampling_options o = options();
  o.temperature = 0;
  o.repetition_penalty = 2;
  EXPECT_EQ(on_device(o, rows).ids, (std::vector<int32_t>{2, 1}));
}

// The values of a row say what is wrong with it, and with no other.
TEST(SamplingRows, ARowThatCannotBeDrawnFromHasACodeForItsId) {
  const Rows good = make_rows(5, 33, 3);
  const llasa_sampling_options o = filters(1.3f, 3, 30, 31);
  const Draws expected = on_host(o, good);
  const auto expect_code = [&](size_t row, int32_t code, const Rows& rows, const char* what) {
    const Draws d = on_device(o, rows);
    for (size_t r = 0; r < d.ids.size(); ++r) {
      EXPECT_EQ(d.ids[r], r == row ? code : expected.ids[r]) << what << ", row " << r;
      EXPECT_EQ(d.logprobs[r], r == row ? 0.0f : expected.logprobs[r]) << what << ", row " << r;
    }
  };
  const auto with = [&](auto change) {
    Rows rows = good;
    change(rows);
    return rows;
  };
  expect_code(1, LLASA_SAMPLE_NOT_FINITE, with([](Rows& r) { r.logits[33 + 20] = NAN; }), "NaN");
  expect_code(2, LLASA_SAMPLE_NOT_FINITE, with([](Rows& r) { r.logits[2 * 33 + 31] = kInf; }), "infinity");
  expect_code(3, LLASA_SAMPLE_EMPTY, with([](Rows& r) { std::fill_n(r.logits.begin() + 3 * 33, 33, -kInf); }),
              "nothing");
  expect_code(4, LLASA_SAMPLE_NOT_FINITE, with([](Rows& r) { r.history.back() = 33; }), "an id too large");
  expect_code(4, LLASA_SAMPLE_NOT_FINITE, with([](Rows& r) { r.history.back() = -1; }), "an id below 0");
  expect_code(4, LLASA_SAMPLE_NOT_FINITE, with([](Rows& r) { ++r.offsets.back(); }), "past the ids");
  expect_code(0, LLASA_SAMPLE_NOT_FINITE, with([](Rows& r) { r.offsets[0] = -1; }), "before the ids");
  expect_code(0, LLASA_SAMPLE_NOT_FINITE, with([](Rows& r) { r.offsets[0] = 1; }), "falling");
  // Outside what may be drawn nobody looks.
  EXPECT_EQ(on_device(o, with([](Rows& r) { r.logits[33] = NAN; })), expected);
}

TEST(SamplingRows, OnTheDefaultStreamToo) {
  const Rows rows = make_rows(3, 40, 8);
  const llasa_sampling_options o = filters(1.2f, 0, 0, -1);
  Caller caller;
  DeviceRows arrays(caller, rows);
  caller.stream.synchronize();
  ASSERT_EQ(arrays.sample(o, rows, nullptr), LLASA_OK) << llasa_last_error();
  synchronize_device();
  EXPECT_EQ((Draws{caller.read(arrays.ids), caller.read(arrays.logprobs)}), on_host(o, rows));
}

TEST(SamplingRows, AnAllocationThatFailsIsReportedAndLeavesNothingBehind) {
  const Rows rows = make_rows(3, 40, 8);
  const llasa_sampling_options o = filters(1.2f, 0, 0, -1);
  Caller caller;
  DeviceRows arrays(caller, rows);
  const int64_t bytes = allocated_bytes();
  int64_t before = 0;
  for (const char* what : {"sampling rows", "the repetition history", "the logits of allowed ids"}) {
    fail_allocation_after(before++);
    const llasa_status status = arrays.sample(o, rows, caller.handle());
    fail_allocation_after(-1);
    expect_refused(status, LLASA_ERR_OUT_OF_MEMORY, what);
    EXPECT_EQ(allocated_bytes(), bytes);
  }
  ASSERT_EQ(arrays.sample(o, rows, caller.handle()), LLASA_OK) << llasa_last_error();
  EXPECT_EQ((Draws{caller.read(arrays.ids), caller.read(arrays.logprobs)}), on_host(o, rows));
}

TEST(SamplingRows, ArraysThatAreNotTheDevicesAreRefused) {
  const Rows rows = make_rows(2, 8, 1);
  const llasa_sampling_options o = options();
  Caller caller;
  DeviceRows arrays(caller, rows);
  const auto sample = [&](int32_t device, const float* logits, const int64_t* offsets, const int32_t* history,
                          int64_t count, int32_t* ids) {
    return llasa_sample_on_device(device, caller.handle(), &o, logits, 2, 8, offsets, history, count,
                                  arrays.sequences.data(), arrays.positions.data(), ids,
                                  arrays.logprobs.data());
  };
  const float* logits = arrays.logits.data();
  const int64_t* offsets = arrays.offsets.data();
  const int32_t* history = arrays.history.data();
  int32_t* ids = arrays.ids.data();
  const auto refused = [](llasa_status status, const char* text) {
    expect_refused(status, LLASA_ERR_ARGUMENT, text);
  };
  refused(sample(-1, nullptr, offsets, history, 5, ids), "llasa_sample_on_device: `logits` is NULL");
  refused(sample(-1, logits, offsets, nullptr, 5, ids), "`history_ids` is NULL");
  refused(sample(-1, logits, offsets, history, 5, nullptr), "`out_ids` is NULL");
  refused(sample(-1, logits, offsets, history, -1, ids), "`num_history_ids`: -1");
  refused(
      sample(-1, logits, offsets, history, 5, reinterpret_cast<int32_t*>(reinterpret_cast<char*>(ids) + 1)),
      ", expected a multiple of 4");
  expect_refused(sample(9, logits, offsets, history, 5, ids), LLASA_ERR_NO_DEVICE, "`device`: device 9");
  if (llasa::test::on_device()) {
    refused(sample(-1, rows.logits.data(), offsets, history, 5, ids),
            "`logits`: host memory, expected memory of device 0");
    refused(sample(-1, logits, rows.offsets.data(), history, 5, ids), "`history_offsets`: host memory");
  } else {
    int someones = 0;
    refused(
        llasa_sample_on_device(-1, &someones, &o, logits, 2, 8, nullptr, nullptr, 0, arrays.sequences.data(),
                               arrays.positions.data(), ids, arrays.logprobs.data()),
        "expected NULL: the CPU has no streams");
  }
  EXPECT_EQ(llasa_sample_on_device(-1, nullptr, &o, nullptr, 0, 8, nullptr, nullptr, 0, nullptr, nullptr,
                                   nullptr, nullptr),
            LLASA_OK);
  EXPECT_EQ(sample(-1, logits, nullptr, nullptr, 0, ids), LLASA_OK) << llasa_last_error();
}

}  // namespace
}  // namespace llasa::test
