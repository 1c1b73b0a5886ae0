#include "ops/allowed_ids.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/status.h"
#include "models/policy_head.h"

namespace llasa {
namespace {

TEST(AllowedIds, AreColumnsByAscendingIdInSamplingAndTraining) {
  for (const AllowedIds& allowed :
       {AllowedIds::of(5, 9, 2), AllowedIds::of(5, 9, 12), AllowedIds::of(5, 9, -1), AllowedIds::of(5, 9, 7),
        AllowedIds::of(0, 3, 3)}) {
    std::vector<int32_t> ids;
    for (int32_t id = 0; id < 16; ++id) {
      if ((id >= allowed.start && id < allowed.end) || id == allowed.extra) ids.push_back(id);
    }
    ASSERT_EQ(allowed.count(), static_cast<int32_t>(ids.size()));
    const std::vector<int32_t> columns = target_columns(allowed, ids);
    for (size_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ(columns[i], static_cast<int32_t>(i));
      EXPECT_EQ(allowed.id_of(static_cast<int32_t>(i)), ids[i]);
    }
    EXPECT_THROW(target_columns(allowed, {15}), Error);
  }
}

TEST(LogitRows, BeginTheRangeAndEveryRowAt32Bytes) {
  for (const AllowedIds& allowed :
       {AllowedIds::of(128264, 193800, 128261), AllowedIds::of(0, 193800, -1), AllowedIds::of(5, 9, 12),
        AllowedIds::of(5, 14, 2), AllowedIds::of(0, 8, -1)}) {
    const LogitRows rows = LogitRows::of(allowed);
    EXPECT_EQ((rows.lead + allowed.range_column()) % 8, 0);
    EXPECT_EQ(rows.stride % 8, 0);
    EXPECT_GE(rows.stride, rows.lead + allowed.count());
    EXPECT_LT(rows.stride, rows.lead + allowed.count() + 8);
    EXPECT_TRUE(rows.lead == 0 || allowed.extra < allowed.start);
  }
}

}  // namespace
}  // namespace llasa
