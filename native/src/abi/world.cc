// The processes of a run.
#include <cstdint>
#include <cstdio>
#include <memory>

#include "abi/guard.h"
#include "abi/handles.h"

using llasa::Status;
using llasa::abi::guarded;
using llasa::abi::required;

llasa_status llasa_world_create(llasa_world** out) {
  if (out != nullptr) *out = nullptr;
  return guarded(__func__, [&] {
    required(out, "out");
    auto world = std::make_unique<llasa_world>();
    world->model = llasa::join_world();
    *out = world.release();
  });
}

void llasa_world_destroy(llasa_world* world) {
  delete world;
}

llasa_status llasa_world_get_info(llasa_world* world, llasa_world_info* out_info) {
  return guarded(__func__, [&] {
    const llasa::Collective& model = *required(world, "world").model;
    llasa_world_info info{};
    info.rank = model.rank();
    info.size = model.size();
    info.local_rank = model.local_rank();
    info.local_size = model.local_size();
    info.num_threads = model.threads();
    std::snprintf(info.library, sizeof info.library, "%s", model.library().c_str());
    std::snprintf(info.device_library, sizeof info.device_library, "%s", model.device_library().c_str());
    std::snprintf(info.device_refusal, sizeof info.device_refusal, "%s", model.device_refusal().c_str());
    llasa::abi::write_struct(out_info, info, "out_info");
  });
}

llasa_status llasa_world_barrier(llasa_world* world) {
  return guarded(__func__, [&] { required(world, "world").model->barrier(); });
}

llasa_status llasa_world_broadcast(llasa_world* world, int32_t root, void* data, int64_t size_bytes) {
  return guarded(__func__, [&] {
    required(world, "world");
    LLASA_CHECK(size_bytes >= 0, Status::kArgument, "`size_bytes`: %lld, expected >= 0",
                static_cast<long long>(size_bytes));
    if (size_bytes > 0) required(static_cast<const char*>(data), "data");
    world->model->broadcast(data, size_bytes, root);
  });
}

llasa_status llasa_world_all_gather(llasa_world* world, const void* data, int64_t size_bytes,
                                    const int64_t* sizes, int64_t num_sizes, void* out_data,
                                    int64_t out_size_bytes) {
  return guarded(__func__, [&] {
    llasa::Collective& model = *required(world, "world").model;
    required(sizes, "sizes");
    LLASA_CHECK(num_sizes == model.size(), Status::kArgument, "`num_sizes`: %lld, expected %d, one a rank",
                static_cast<long long>(num_sizes), model.size());
    const std::span<const int64_t> each(sizes, static_cast<size_t>(num_sizes));
    int64_t sum = 0;
    for (const int64_t size : each) {
      LLASA_CHECK(size >= 0 && size <= INT64_MAX - sum, Status::kArgument,
                  "`sizes`: %lld, expected >= 0 and a sum that fits in 63 bits",
                  static_cast<long long>(size));
      sum += size;
    }
    const int64_t own = each[static_cast<size_t>(model.rank())];
    LLASA_CHECK(size_bytes == own, Status::kArgument, "`size_bytes`: %lld, but sizes[%d] is %lld",
                static_cast<long long>(size_bytes), model.rank(), static_cast<long long>(own));
    LLASA_CHECK(out_size_bytes == sum, Status::kArgument,
                "`out_size_bytes`: %lld, expected %lld, the sum of `sizes`",
                static_cast<long long>(out_size_bytes), static_cast<long long>(sum));
    if (own > 0) required(static_cast<const char*>(data), "data");
    if (sum > 0) required(static_cast<char*>(out_data), "out_data");
    model.all_gather(data, each, out_data);
  });
}

llasa_status llasa_world_all_reduce(llasa_world* world, double* values, int64_t count) {
  return guarded(__func__, [&] {
    required(world, "world");
    LLASA_CHECK(count >= 0, Status::kArgument, "`count`: %lld, expected >= 0", static_cast<long long>(count));
    if (count > 0) required(values, "values");
    world->model->all_reduce(values, count);
  });
}

llasa_status llasa_world_check(llasa_world* world) {
  return guarded(__func__, [&] { required(world, "world").model->check(); });
}

llasa_status llasa_world_finish(llasa_world* world) {
  return guarded(__func__, [&] { required(world, "world").model->finish(); });
}

llasa_status llasa_world_abort(llasa_world* world, int32_t exit_code) {
  return guarded(__func__, [&] { required(world, "world").model->abort(exit_code); });
}
