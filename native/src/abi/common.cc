// Version, errors, device, threads, live counts, layout.
#include <cstddef>
#include <cstdio>

#include "abi/guard.h"
#include "core/device.h"
#include "core/live_counts.h"
#include "core/parallel.h"

namespace llasa::abi {

static_assert(static_cast<int32_t>(Status::kArgument) == LLASA_ERR_ARGUMENT &&
              static_cast<int32_t>(Status::kAbi) == LLASA_ERR_ABI &&
              static_cast<int32_t>(Status::kShape) == LLASA_ERR_SHAPE &&
              static_cast<int32_t>(Status::kName) == LLASA_ERR_NAME &&
              static_cast<int32_t>(Status::kToken) == LLASA_ERR_TOKEN &&
              static_cast<int32_t>(Status::kState) == LLASA_ERR_STATE &&
              static_cast<int32_t>(Status::kOutOfMemory) == LLASA_ERR_OUT_OF_MEMORY &&
              static_cast<int32_t>(Status::kCapacity) == LLASA_ERR_CAPACITY &&
              static_cast<int32_t>(Status::kDevice) == LLASA_ERR_DEVICE &&
              static_cast<int32_t>(Status::kNoDevice) == LLASA_ERR_NO_DEVICE &&
              static_cast<int32_t>(Status::kNotFinite) == LLASA_ERR_NOT_FINITE &&
              static_cast<int32_t>(Status::kCancelled) == LLASA_ERR_CANCELLED &&
              static_cast<int32_t>(Status::kWorld) == LLASA_ERR_WORLD &&
              static_cast<int32_t>(Status::kInternal) == LLASA_ERR_INTERNAL);

namespace {

std::string& last_error() {
  thread_local std::string message;
  return message;
}

struct LayoutEntry {
  const char* name;
  int64_t bytes;
};

#define LLASA_LAYOUT_SIZE(type) {#type, static_cast<int64_t>(sizeof(type))},
#define LLASA_LAYOUT_FIELD(type, field) {#type "." #field, static_cast<int64_t>(offsetof(type, field))},
const LayoutEntry kLayout[] = {
#if __has_include("abi/layout.g.inc")
#include "abi/layout.g.inc"
#endif
    {nullptr, 0}};

void copy_text(char* destination, size_t capacity, const char* text) {
  std::snprintf(destination, capacity, "%s", text);
}

}  // namespace

llasa_status report(llasa_status status, const char* function, const char* message) noexcept {
  try {
    last_error() = std::string(function) + ": " + message;
  } catch (...) {
    last_error().clear();
  }
  return status;
}

}  // namespace llasa::abi

using llasa::Status;
using llasa::abi::guarded;
using llasa::abi::required;

uint32_t llasa_abi_version(void) {
  return (uint32_t{LLASA_ABI_MAJOR} << 16) | LLASA_ABI_MINOR;
}

const char* llasa_last_error(void) {
  return llasa::abi::last_error().c_str();
}

llasa_status llasa_get_device_info(llasa_device_info* out_info) {
  return guarded(__func__, [&] {
    required(out_info, "out_info");
    const llasa::DeviceDescription device = llasa::describe_device();
    llasa_device_info info{};
    info.num_threads = llasa::num_threads();
    llasa::abi::copy_text(info.backend, sizeof info.backend, device.backend);
    llasa::abi::copy_text(info.isa, sizeof info.isa, device.isa);
    llasa::abi::copy_text(info.device_name, sizeof info.device_name, device.name);
    info.device_memory_bytes = device.memory_bytes;
    llasa::abi::write_struct(out_info, info, "out_info");
  });
}

llasa_status llasa_set_num_threads(int32_t num_threads) {
  return guarded(__func__, [&] {
    LLASA_CHECK(num_threads >= 0 && num_threads <= 256, Status::kArgument,
                "`num_threads`: %d, expected 0..256", num_threads);
    llasa::set_num_threads(num_threads);
  });
}

llasa_status llasa_get_live_counts(llasa_live_counts* out_counts) {
  return guarded(__func__, [&] {
    using llasa::HandleKind;
    llasa_live_counts counts{};
    counts.policies = llasa::live_count(HandleKind::kPolicy);
    counts.rollouts = llasa::live_count(HandleKind::kRollout);
    counts.trainers = llasa::live_count(HandleKind::kTrainer);
    counts.codecs = llasa::live_count(HandleKind::kCodec);
    counts.whispers = llasa::live_count(HandleKind::kWhisper);
    counts.buffers = llasa::live_count(HandleKind::kBuffer);
    counts.allocated_bytes = llasa::allocated_bytes();
    llasa::abi::write_struct(out_counts, counts, "out_counts");
  });
}

llasa_status llasa_struct_layout(const char* name, int64_t* out_bytes) {
  return guarded(__func__, [&] {
    required(name, "name");
    required(out_bytes, "out_bytes");
    for (const auto& entry : llasa::abi::kLayout) {
      if (entry.name != nullptr && std::strcmp(entry.name, name) == 0) {
        *out_bytes = entry.bytes;
        return;
      }
    }
    llasa::fail(Status::kName, "`name`: no struct or field `%s`", name);
  });
}
