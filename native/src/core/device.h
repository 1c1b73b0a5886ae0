// Device memory and streams. On the CPU backend device memory is host memory and a stream does nothing;
// models are written against this header alone, so that they run unchanged on a card. It is C++17 where nvcc
// reads it (CUDA 11 knows no later one).
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>
#if __cplusplus >= 202002L
#include <span>
#endif

#include "core/status.h"

namespace llasa {

// The device that the calling thread allocates on and launches to while this lives: an index as the backend
// counts its devices; -1, as without a scope, the process's (LLASA_DEVICE in the environment, else its place
// among the ranks of this machine, else 0). The CPU backend has one device, 0.
class DeviceScope {
 public:
  explicit DeviceScope(int device) noexcept;
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  int before_;
};
// The device that the calling thread has chosen in the driver, where others of this process choose, too: what it was is
// chosen again when this goes.
class CallersDevice {
 public:
  CallersDevice() noexcept;
  ~CallersDevice();
  CallersDevice(const CallersDevice&) = delete;
  CallersDevice& operator=(const CallersDevice&) = delete;

 private:
  int before_ = -1;
};
// The index of a device asked for: -1 becomes the process's. Throws Status::kNoDevice naming `option` if
// there is none of that index.
int resolve_device(int device, const char* option);

// A stream of the library's caller: a cudaStream_t, NULL for the legacy default stream. The CPU knows NULL alone.
struct CallerStream {
  void* native;
};

// Work is ordered within a stream. A stream belongs to the device on which it is made.
class Stream {
 public:
  Stream();
  // The caller's own, for work that goes among theirs: it is neither waited for nor destroyed, and ops that keep
  // memory with their stream (scratch, uploads) cannot work on it. Throws Status::kArgument if it is no stream of
  // the calling thread's device, Status::kState while it is recorded into a graph.
  explicit Stream(CallerStream caller);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Waits until everything queued is done; an asynchronous fault surfaces here.
  void synchronize();
  // Whether it is, without waiting; likewise.
  bool done();
  void* native() const { return native_; }
  bool is_callers() const { return is_callers_; }

 private:
  void* native_ = nullptr;
  bool is_callers_ = false;
};

// Two streams of one device for as long as this lives: what `own` is given runs behind all that `callers` was given
// before, and what `callers` is given afterwards behind all of `own`, even if an exception ends the work between.
class StreamJoin {
 public:
  StreamJoin(Stream& own, Stream& callers);
  ~StreamJoin();
  StreamJoin(const StreamJoin&) = delete;
  StreamJoin& operator=(const StreamJoin&) = delete;

 private:
  Stream& own_;
  Stream& callers_;
  void* event_ = nullptr;
};

// Whether work runs behind the calls that queue it, so that waiting for it costs; not on the CPU.
bool device_works_behind();

// The calling thread's device by a name that all processes of its machine know it by (its PCI bus); "" on the CPU.
std::string device_identity();

// Waits for the work of all streams; an asynchronous fault surfaces here.
void synchronize_device();

// 64-byte aligned, counted in llasa_live_counts.allocated_bytes; throws Status::kOutOfMemory naming
// `what`.
void* device_allocate(int64_t bytes, const char* what);
void device_free(void* memory, int64_t bytes) noexcept;
void* pinned_allocate(int64_t bytes, const char* what);
void pinned_free(void* memory, int64_t bytes) noexcept;
// In the order of a stream: good for work that is queued on it between the two calls, neither of which waits.
void* stream_allocate(Stream& stream, int64_t bytes, const char* what);
void stream_free(Stream& stream, void* memory, int64_t bytes) noexcept;
int64_t allocated_bytes();
// For tests: the allocation after the next `count` ones, device or pinned, fails once. -1 disarms.
void fail_allocation_after(int64_t count);

// An array of a caller's, given as one of the device that the calling thread works on: throws Status::kArgument naming
// it if its ends are not memory of that device, or it is not aligned. NULL with no bytes is an array.
void check_device_array(const void* memory, int64_t bytes, int64_t alignment, const char* name);
template <typename T>
void check_device_array(const T* memory, int64_t count, const char* name) {
  LLASA_CHECK(count <= INT64_MAX / static_cast<int64_t>(sizeof(T)), Status::kArgument,
              "`%s`: %lld elements, which no memory holds", name, static_cast<long long>(count));
  check_device_array(memory, count * static_cast<int64_t>(sizeof(T)), alignof(T), name);
}

// What pinned_allocate gave may take the device's place in both. source may be changed or freed as soon as this returns.
void copy_to_device(Stream& stream, void* destination, const void* source, int64_t bytes);
// Returns when the bytes are on the host.
void copy_to_host(Stream& stream, void* destination, const void* source, int64_t bytes);
void copy_on_device(Stream& stream, void* destination, const void* source, int64_t bytes);
void zero_on_device(Stream& stream, void* destination, int64_t bytes);

struct DeviceDescription {
  const char* backend;
  const char* isa;
  const char* name;
  int64_t memory_bytes;
};
DeviceDescription describe_device();

// Owned device array. Grows without keeping its contents (reserve), never shrinks.
template <typename T>
class DeviceBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  DeviceBuffer() = default;
  DeviceBuffer(int64_t count, const char* what) { reserve(count, what); }
  ~DeviceBuffer() { device_free(data_, capacity_ * static_cast<int64_t>(sizeof(T))); }
  DeviceBuffer(DeviceBuffer&& other) noexcept { swap(other); }
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  T* reserve(int64_t count, const char* what) {
    if (count > capacity_) {
      device_free(data_, capacity_ * static_cast<int64_t>(sizeof(T)));
      data_ = nullptr;
      capacity_ = 0;
      data_ = static_cast<T*>(device_allocate(count * static_cast<int64_t>(sizeof(T)), what));
      capacity_ = count;
    }
    return data_;
  }
  // Copies host values in, growing if needed.
  T* upload(Stream& stream, const T* values, int64_t count, const char* what) {
    reserve(count, what);
    if (count > 0) copy_to_device(stream, data_, values, count * static_cast<int64_t>(sizeof(T)));
    return data_;
  }
#if __cplusplus >= 202002L
  T* upload(Stream& stream, std::span<const T> values, const char* what) {
    return upload(stream, values.data(), static_cast<int64_t>(values.size()), what);
  }
#endif
  std::vector<T> download(Stream& stream, int64_t count) const {
    std::vector<T> values(static_cast<size_t>(count));
    if (count > 0) copy_to_host(stream, values.data(), data_, count * static_cast<int64_t>(sizeof(T)));
    return values;
  }

  T* data() {
    return data_;
  }
  const T* data() const {
    return data_;
  }
  int64_t capacity() const {
    return capacity_;
  }

 private:
  void swap(DeviceBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
  }
  T* data_ = nullptr;
  int64_t capacity_ = 0;
};

// Device array for what is queued on a stream while this lives.
template <typename T>
class StreamBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  StreamBuffer(Stream& stream, int64_t count, const char* what)
      : stream_(stream),
        bytes_(count * static_cast<int64_t>(sizeof(T))),
        data_(static_cast<T*>(stream_allocate(stream, bytes_, what))) {}
  ~StreamBuffer() { stream_free(stream_, data_, bytes_); }
  StreamBuffer(const StreamBuffer&) = delete;
  StreamBuffer& operator=(const StreamBuffer&) = delete;

  // NULL if it has no elements.
  T* data() { return data_; }

 private:
  Stream& stream_;
  int64_t bytes_;
  T* data_;
};

}  // namespace llasa
