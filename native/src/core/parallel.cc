#include "core/parallel.h"

#include <sched.h>

#include <atomic>
#include <chrono>
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

// Waits for another thread on the processor, for a limited time.
class SpinningWait {
 public:
  explicit SpinningWait(std::chrono::microseconds limit) : limit_(limit) {}

  // True as long as it pays to go on waiting.
  bool again() {
    pause();
    if (++turns_ % 64 != 0) return true;
    const auto now = std::chrono::steady_clock::now();
    if (turns_ == 64) end_ = now + limit_;
    return now < end_;
  }

 private:
  std::chrono::microseconds limit_;
  int64_t turns_ = 0;
  std::chrono::steady_clock::time_point end_;
};

// The caller opens a job and works on it; workers that are awake join while it is open. The caller never
// waits for one that has not joined, so a short job is over before a sleeping worker could have been woken.
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
    left_.store(0, std::memory_order_relaxed);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job_.store(number(job_.load(std::memory_order_relaxed)) + kNext + kOpen, std::memory_order_release);
    }
    if (sleepers_.load(std::memory_order_seq_cst) > 0) wake_.notify_all();
    work();
    const uint64_t joined = job_.fetch_and(~kOpen, std::memory_order_acq_rel) & kJoined;
    SpinningWait wait(kForWorker);
    while (left_.load(std::memory_order_acquire) != joined) {
      if (!wait.again()) std::this_thread::yield();
    }
    if (error_) std::rethrow_exception(error_);
  }

 private:
  // job_: the number of the job, whether workers may join it, and how many have.
  static constexpr uint64_t kNext = uint64_t{1} << 32, kOpen = uint64_t{1} << 31, kJoined = kOpen - 1;
  static uint64_t number(uint64_t job) { return job & ~(kNext - 1); }

  // A worker waits for the next job longer than passes between two jobs of a decoding step, because waking it
  // costs about 50 us, and sleeps when that is over. A worker that keeps the caller waiting is probably not
  // on a processor: give it the caller's.
  static constexpr std::chrono::microseconds kForJob{200}, kForWorker{20};

  Pool() { start(usable_processors()); }

  void start(int count) {
    size_ = count;
    stopping_ = false;
    const uint64_t seen = number(job_.load());
    for (int i = 1; i < count; ++i) threads_.emplace_back([this, seen] { loop(seen); });
  }

  void stop() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
      job_.store(number(job_.load()) + kNext);  // closed: nobody joins
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    size_ = 1;
  }

  // The next job's word, when it is no longer that of job `seen`.
  uint64_t await(uint64_t seen) {
    SpinningWait wait(kForJob);
    while (wait.again()) {
      const uint64_t job = job_.load(std::memory_order_acquire);
      if (number(job) != seen) return job;
    }
    std::unique_lock<std::mutex> lock(mutex_);
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    wake_.wait(lock, [&] { return number(job_.load(std::memory_order_acquire)) != seen; });
    sleepers_.fetch_sub(1, std::memory_order_seq_cst);
    return job_.load(std::memory_order_acquire);
  }

  void loop(uint64_t seen) {
    for (;;) {
      uint64_t job = await(seen);
      seen = number(job);
      if (stopping_) return;
      bool joined = false;
      while ((job & kOpen) != 0 && number(job) == seen && !joined) {
        joined =
            job_.compare_exchange_weak(job, job + 1, std::memory_order_acq_rel, std::memory_order_acquire);
      }
      if (!joined) continue;
      work();
      left_.fetch_add(1, std::memory_order_release);
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
  std::atomic<bool> stopping_{false};
  std::mutex call_mutex_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> job_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<uint64_t> left_{0};  // workers that joined and are done
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
