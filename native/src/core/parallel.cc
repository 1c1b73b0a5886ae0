#include "core/parallel.h"

#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace llasa {

namespace {

thread_local bool inside_task = false;

int usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    const int count = CPU_COUNT(&set);
    if (count > 0) return count;
  }
  return 1;
}

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// Workers spin for a few microseconds after a job, because a decode step is a chain of short jobs, then
// sleep.
class Pool {
 public:
  static Pool& instance() {
    static Pool pool;
    return pool;
  }

  ~Pool() { stop(); }

  int size() const { return size_; }

  void resize(int count) {
    std::lock_guard<std::mutex> call(call_mutex_);
    if (count <= 0) count = usable_processors();
    if (count > 256) count = 256;
    if (count == size_) return;
    stop();
    start(count);
  }

  void run(int64_t tasks, void (*body)(void*, int64_t), void* context) {
    // One job at a time; a second caller's job runs inline rather than wait or oversubscribe.
    std::unique_lock<std::mutex> call(call_mutex_, std::try_to_lock);
    if (inside_task || size_ == 1 || !call.owns_lock()) {
      for (int64_t task = 0; task < tasks; ++task) body(context, task);
      return;
    }
    body_ = body;
    context_ = context;
    tasks_ = tasks;
    error_ = nullptr;
    failed_.store(false, std::memory_order_relaxed);
    next_.store(0, std::memory_order_relaxed);
    running_.store(size_ - 1, std::memory_order_relaxed);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      generation_.fetch_add(1, std::memory_order_release);
    }
    if (sleepers_.load(std::memory_order_seq_cst) > 0) wake_.notify_all();
    work();
    int spins = 0;
    while (running_.load(std::memory_order_acquire) != 0) {
      if (++spins < kSpins) {
        pause();
      } else {
        std::this_thread::yield();
      }
    }
    if (error_) std::rethrow_exception(error_);
  }

 private:
  static constexpr int kSpins = 4000;

  Pool() { start(usable_processors()); }

  void start(int count) {
    size_ = count;
    stopping_ = false;
    const uint64_t generation = generation_.load();
    for (int i = 1; i < count; ++i) threads_.emplace_back([this, generation] { loop(generation); });
  }

  void stop() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
      generation_.fetch_add(1);
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    size_ = 1;
  }

  void loop(uint64_t seen) {
    for (;;) {
      int spins = 0;
      while (generation_.load(std::memory_order_acquire) == seen) {
        if (++spins < kSpins) {
          pause();
          continue;
        }
        std::unique_lock<std::mutex> lock(mutex_);
        sleepers_.fetch_add(1, std::memory_order_seq_cst);
        wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
        sleepers_.fetch_sub(1, std::memory_order_seq_cst);
      }
      seen = generation_.load(std::memory_order_acquire);
      if (stopping_) return;
      work();
      running_.fetch_sub(1, std::memory_order_release);
    }
  }

  void work() {
    inside_task = true;
    for (;;) {
      const int64_t task = next_.fetch_add(1, std::memory_order_relaxed);
      if (task >= tasks_) break;
      if (failed_.load(std::memory_order_relaxed)) continue;
      try {
        body_(context_, task);
      } catch (...) {
        std::lock_guard<std::mutex> lock(mutex_);
        if (!error_) error_ = std::current_exception();
        failed_.store(true, std::memory_order_relaxed);
      }
    }
    inside_task = false;
  }

  std::vector<std::thread> threads_;
  int size_ = 1;
  bool stopping_ = false;
  std::mutex call_mutex_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<int> running_{0};
  std::atomic<int64_t> next_{0};
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
  void (*body_)(void*, int64_t) = nullptr;
  void* context_ = nullptr;
  int64_t tasks_ = 0;
};

}  // namespace

int num_threads() {
  return Pool::instance().size();
}

void set_num_threads(int count) {
  Pool::instance().resize(count);
}

namespace detail {
void run_tasks(int64_t tasks, void (*body)(void*, int64_t), void* context) {
  Pool::instance().run(tasks, body, context);
}
}  // namespace detail

}  // namespace llasa
