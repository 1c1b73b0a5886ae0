// llasa_group_advantage: checks, uploads, runs the op.
#include "ops/advantage.h"

#include <cmath>
#include <span>

#include "abi/guard.h"
#include "core/device.h"

using llasa::Status;
using llasa::abi::guarded;
using llasa::abi::required;

static_assert(static_cast<int32_t>(llasa::GroupEstimator::kGrpo) == LLASA_ADVANTAGE_GRPO &&
              static_cast<int32_t>(llasa::GroupEstimator::kDrGrpo) == LLASA_ADVANTAGE_DR_GRPO &&
              static_cast<int32_t>(llasa::GroupEstimator::kRloo) == LLASA_ADVANTAGE_RLOO);

llasa_status llasa_group_advantage(int32_t estimator, float epsilon, const float* rewards,
                                   const int64_t* group_ids, const uint8_t* mask, int64_t count,
                                   float* out_advantages) {
  return guarded(__func__, [&] {
    LLASA_CHECK(estimator >= LLASA_ADVANTAGE_GRPO && estimator <= LLASA_ADVANTAGE_RLOO, Status::kArgument,
                "`estimator`: %d, expected LLASA_ADVANTAGE_GRPO, _DR_GRPO or _RLOO", estimator);
    LLASA_CHECK(std::isfinite(epsilon) && epsilon >= 0, Status::kArgument, "`epsilon`: %g, expected >= 0",
                static_cast<double>(epsilon));
    LLASA_CHECK(count >= 0, Status::kArgument, "`count`: %lld, expected >= 0", static_cast<long long>(count));
    if (count == 0) return;
    required(rewards, "rewards");
    required(group_ids, "group_ids");
    required(out_advantages, "out_advantages");
    const auto n = static_cast<size_t>(count);
    const char* what = "rewards and their groups";
    llasa::Stream stream;
    llasa::DeviceBuffer<float> values;
    llasa::DeviceBuffer<int64_t> groups;
    llasa::DeviceBuffer<uint8_t> kept;
    values.upload(stream, std::span(rewards, n), what);
    groups.upload(stream, std::span(group_ids, n), what);
    if (mask != nullptr) kept.upload(stream, std::span(mask, n), what);
    llasa::group_advantage(stream, static_cast<llasa::GroupEstimator>(estimator), epsilon, values.data(),
                           groups.data(), mask != nullptr ? kept.data() : nullptr, count, values.data());
    llasa::copy_to_host(stream, out_advantages, values.data(), count * static_cast<int64_t>(sizeof(float)));
  });
}
