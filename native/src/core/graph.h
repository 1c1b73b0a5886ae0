// Launches that are recorded once and replayed: what the host does again and again for every token of a
// decode loop it does once per number of rows. On the CPU backend nothing is recorded and a body simply runs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <type_traits>
#include <vector>

#include "core/device.h"

namespace llasa {

// The recorded graphs of one loop on one stream, by a key (its number of rows). One thread at a time.
class LaunchGraphs {
 public:
  // what: the name of one pass of the loop, for messages.
  explicit LaunchGraphs(const char* what) : what_(what) {}
  ~LaunchGraphs();
  LaunchGraphs(const LaunchGraphs&) = delete;
  LaunchGraphs& operator=(const LaunchGraphs&) = delete;

  // How many rows to compute for `rows` of at most `most`, so that few graphs serve them all: 1, 2, 4, 8, 16,
  // 32, then every 16th. `rows` itself on the CPU.
  static int64_t bucket(int64_t rows, int64_t most);
  // The same on any backend, as on a GPU.
  static int64_t bucket_on_gpu(int64_t rows, int64_t most) {
    int64_t size = 1;
    while (size < rows && size < 16) size *= 2;
    if (size < rows) size = (rows + 15) / 16 * 16;
    return std::min(size, most);
  }

  // Whatever launches have baked in: addresses, sizes, options. Graphs recorded with other facts are dropped.
  void fix(std::vector<uint64_t> facts);

  // Queues body's launches on `stream`: the first time for a key by calling it, so that whatever it allocates
  // or looks up is there, the second time by recording it, and from then on by replaying what it recorded.
  // While it is recorded it may not allocate, wait, or copy from or to the host. Where the device makes no graph
  // of it, for want of memory or support, every pass calls the body.
  template <typename Body>
  void run(Stream& stream, int64_t key, Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    run(
        stream, key, [](void* context) { (*static_cast<Plain*>(context))(); },
        const_cast<void*>(static_cast<const void*>(std::addressof(body))));
  }

  int64_t recordings() const { return recordings_; }
  int64_t replays() const { return replays_; }

 private:
  struct Entry {
    int64_t runs = 0;
    bool plain = false;          // no graph could be made of it
    void* executable = nullptr;  // cudaGraphExec_t
  };

  void run(Stream& stream, int64_t key, void (*body)(void*), void* context);
  void* record(Stream& stream, void (*body)(void*), void* context);
  void drop() noexcept;

  const char* what_;
  std::vector<uint64_t> facts_;
  std::map<int64_t, Entry> entries_;
  Stream* stream_ = nullptr;
  int64_t recordings_ = 0, replays_ = 0;
};

// For tests and for finding a fault: off makes every pass a call of its body, as LLASA_GRAPHS=0 in the
// environment and LLASA_SYNC=1 do.
void record_launches(bool on);

}  // namespace llasa
