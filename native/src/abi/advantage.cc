// llasa_group_advantage: checks, uploads, runs the op; or runs it where the arrays lie.
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

namespace {

// False if there is nothing to do.
bool check_arguments(int32_t estimator, float epsilon, const float* rewards, const int64_t* group_ids,
                     int64_t count, float* out_advantages) {
  LLASA_CHECK(estimator >= LLASA_ADVANTAGE_GRPO && estimator <= LLASA_ADVANTAGE_RLOO, Status::kArgument,
              "`estimator`: %d, expected LLASA_ADVANTAGE_GRPO, _DR_GRPO or _RLOO", estimator);
  LLASA_CHECK(std::isfinite(epsilon) && epsilon >= 0, Status::kArgument, "`epsilon`: %g, expected >= 0",
              static_cast<double>(epsilon));
  LLASA_CHECK(count >= 0, Status::kArgument, "`count`: %lld, expected >= 0", static_cast<long long>(count));
  if (count == 0) return false;
  required(rewards, "rewards");
  required(group_ids, "group_ids");
  required(out_advantages, "out_advantages");
  return true;
}

}  // namespace

llasa_status llasa_group_advantage(int32_t estimator, float epsilon, const float* rewards,
                                   const int64_t* group_ids, const uint8_t* mask, int64_t count,
                                   float* out_advantages) {
  return guarded(__func__, [&] {
    if (!check_arguments(estimator, epsilon, rewards, group_ids, count, out_advantages)) return;
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

llasa_status llasa_group_advantage_on_device(int32_t device, void* stream, int32_t estimator, float epsilon,
                                             const float* rewards, const int64_t* group_ids,
                                             const uint8_t* mask, int64_t count, float* out_advantages) {
  return guarded(__func__, [&] {
    if (!check_arguments(estimator, epsilon, rewards, group_ids, count, out_advantages)) return;
    const llasa::CallersDevice chosen;
    const llasa::DeviceScope scope(llasa::resolve_device(device, "`device`"));
    llasa::check_device_array(rewards, count, "rewards");
    llasa::check_device_array(group_ids, count, "group_ids");
    if (mask != nullptr) llasa::check_device_array(mask, count, "mask");
    llasa::check_device_array(out_advantages, count, "out_advantages");
    llasa::Stream on(llasa::CallerStream{stream});
    // In place the op would take scratch, which the caller's stream has none of.
    const bool in_place = rewards == out_advantages;
    llasa::StreamBuffer<float> copy(on, in_place ? count : 0, "a copy of the rewards");
    if (in_place) {
      llasa::copy_on_device(on, copy.data(), rewards, count * static_cast<int64_t>(sizeof(float)));
      rewards = copy.data();
    }
    llasa::group_advantage(on, static_cast<llasa::GroupEstimator>(estimator), epsilon, rewards, group_ids,
                           mask, count, out_advantages);
  });
}
