#include "fault.h"

#include <dlfcn.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "block.h"
#include "state.h"

namespace cudasim {

namespace {

std::mutex mutex;
cudaError_t pending = cudaSuccess;
std::string pending_text;
bool sticky = false;
thread_local std::string taken_text;

// "llasa_cudasim_tests+0x1234": addr2line -e turns it into a line.
std::string site_text(const void* site) {
  Dl_info info;
  if (site == nullptr || dladdr(site, &info) == 0 || info.dli_fname == nullptr) return {};
  const std::string path = info.dli_fname;
  return text(
      " [%s+0x%zx]", path.substr(path.rfind('/') + 1).c_str(),
      static_cast<size_t>(static_cast<const char*>(site) - static_cast<const char*>(info.dli_fbase)) - 1);
}

}  // namespace

std::string text(const char* format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  const int length = std::vsnprintf(nullptr, 0, format, args);
  va_end(args);
  std::string result(static_cast<size_t>(length > 0 ? length : 0), '\0');
  std::vsnprintf(result.data(), result.size() + 1, format, again);
  va_end(again);
  return result;
}

void kernel_fault(const std::string& message, const void* site) {
  if (state.stacks.bytes == 0 || !state.in_kernel) {
    std::fprintf(stderr, "cudasim: %s, outside a kernel%s\n", message.c_str(), site_text(site).c_str());
    std::abort();
  }
  state.in_kernel = false;
  const Thread& thread = current_thread();
  set_device_fault(cudaErrorIllegalAddress,
                   text("kernel `%s`, block (%u,%u,%u), thread (%u,%u,%u): ", current_kernel(), blockIdx.x,
                        blockIdx.y, blockIdx.z, thread.index.x, thread.index.y, thread.index.z) +
                       message + site_text(site));
  abandon_launch();
}

void set_device_fault(cudaError_t error, const std::string& message) {
  const std::lock_guard lock(mutex);
  if (pending != cudaSuccess) return;  // the first one is the cause
  pending = error;
  pending_text = message;
}

cudaError_t take_device_fault() {
  const std::lock_guard lock(mutex);
  const cudaError_t error = pending;
  if (error == cudaSuccess) return error;
  taken_text = pending_text;
  if (!sticky) pending = cudaSuccess;
  return error;
}

void set_sticky_faults(bool value) {
  const std::lock_guard lock(mutex);
  sticky = value;
}

cudaError_t lost_device_error() {
  const std::lock_guard lock(mutex);
  if (!sticky || pending == cudaSuccess) return cudaSuccess;
  taken_text = pending_text;
  return pending;
}

void reset_device() {
  const std::lock_guard lock(mutex);
  pending = cudaSuccess;
  sticky = false;
}

void note_fault_text(const std::string& message) {
  taken_text = message;
}

const char* fault_text() {
  return taken_text.c_str();
}

}  // namespace cudasim
