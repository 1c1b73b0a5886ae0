// Page-locked host buffers.
#include <memory>

#include "abi/guard.h"
#include "core/device.h"
#include "core/live_counts.h"

struct llasa_buffer {
  explicit llasa_buffer(int64_t bytes)
      : size_bytes(bytes), data(llasa::pinned_allocate(bytes, "a host buffer")) {
    std::memset(data, 0, static_cast<size_t>(bytes));
  }
  ~llasa_buffer() { llasa::pinned_free(data, size_bytes); }
  llasa_buffer(const llasa_buffer&) = delete;
  llasa_buffer& operator=(const llasa_buffer&) = delete;

  llasa::LiveHandle live{llasa::HandleKind::kBuffer};
  int64_t size_bytes;
  void* data;
};

using llasa::Status;
using llasa::abi::guarded;
using llasa::abi::required;

llasa_status llasa_buffer_create(int64_t size_bytes, llasa_buffer** out) {
  if (out != nullptr) *out = nullptr;
  return guarded(__func__, [&] {
    required(out, "out");
    LLASA_CHECK(size_bytes > 0, Status::kArgument, "`size_bytes`: %lld, expected > 0",
                static_cast<long long>(size_bytes));
    *out = std::make_unique<llasa_buffer>(size_bytes).release();
  });
}

void llasa_buffer_destroy(llasa_buffer* buffer) {
  delete buffer;
}

llasa_status llasa_buffer_data(llasa_buffer* buffer, void** out_data, int64_t* out_size_bytes) {
  return guarded(__func__, [&] {
    required(buffer, "buffer");
    required(out_data, "out_data") = buffer->data;
    required(out_size_bytes, "out_size_bytes") = buffer->size_bytes;
  });
}
