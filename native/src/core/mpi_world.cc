#include "core/mpi_world.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include "core/mpi_library.h"

namespace llasa {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kLongestMessage = int64_t{1} << 28;  // bytes; MPI counts them in an int
constexpr std::chrono::milliseconds kBeat{250};
constexpr std::chrono::seconds kStopped{1};  // between two looks: this process itself stood still
constexpr std::chrono::seconds kAbort{3};    // what MPI may take to end the processes

class MpiWorld final : public Collective {
 public:
  // started: set before MPI is, which no process can do twice.
  MpiWorld(const LaunchEnvironment& environment, bool& started)
      : timeout_(environment.timeout_seconds), mpi_(open_mpi_library(environment.libraries)) {
    thread_ = std::thread([this] { loop(); });
    try {
      run([&] {
        started = true;
        mpi_->start();
        rank_ = mpi_->rank();
        size_ = mpi_->size();
        library_ = mpi_->version();
      });
      LLASA_CHECK(
          environment.size == 0 || size_ == environment.size, Status::kWorld,
          "%s started %d processes, but %s sees %d: name the launcher's own library in LLASA_MPI_LIBRARY",
          environment.launcher.c_str(), environment.size, library_.c_str(), size_);
      run([&] { start_beating(); });
      meet_neighbours();
    } catch (...) {
      stop();
      throw;
    }
  }

  ~MpiWorld() override { stop(); }

  void check() const override {
    std::lock_guard<std::mutex> lock(mutex_);
    throw_if_failed();
  }

  void finish() override {
    if (finished_) return;
    leave_devices();
    barrier();
    run([&] {
      leave();
      mpi_->finish();
    });
    finished_ = true;
    stop();
  }

  void abort(int code) override {
    // MPI's call does not return where it works; where it does not, or hangs, the process ends all the same.
    abort_code_ = code;
    abort_wanted_ = true;
    changed_.notify_all();
    std::this_thread::sleep_for(kAbort);
    std::_Exit(code);
  }

 protected:
  void exchange(std::span<const Outgoing> sends, std::span<const Incoming> receives) override {
    LLASA_CHECK(!finished_, Status::kState, "this process has left its world");
    if (size_ == 1) return;
    run([&] {
      for (const Incoming& in : receives) {
        for (int64_t at = 0; at < in.bytes; at += kLongestMessage)
          mpi_->receive(MpiLibrary::kData, static_cast<char*>(in.data) + at, part(in.bytes, at), in.from);
      }
      for (const Outgoing& out : sends) {
        for (int64_t at = 0; at < out.bytes; at += kLongestMessage)
          mpi_->send(MpiLibrary::kData, static_cast<const char*>(out.data) + at, part(out.bytes, at), out.to);
      }
      wait(MpiLibrary::kData);
    });
  }

 private:
  static int part(int64_t bytes, int64_t at) {
    return static_cast<int>(std::min(kLongestMessage, bytes - at));
  }

  // Polls rather than let MPI wait: it would burn the processor that another rank computes on, and could not be
  // left when a rank is gone.
  void wait(MpiLibrary::Channel channel) {
    std::chrono::microseconds nap{0};
    while (!mpi_->done(channel)) {
      beat();
      if (nap.count() > 0) std::this_thread::sleep_for(nap);
      nap = std::min(nap + std::chrono::microseconds(nap / 8) + std::chrono::microseconds(1),
                     std::chrono::microseconds(500));
    }
  }

  int right() const { return (rank_ + 1) % size_; }
  int left() const { return (rank_ + size_ - 1) % size_; }

  void start_beating() {
    if (size_ == 1) return;
    heard_ = looked_ = Clock::now();
    mpi_->receive(MpiLibrary::kBeatIn, &beat_in_, 1, left());
    beating_ = true;
  }

  void beat() {
    if (abort_wanted_) mpi_->abort(abort_code_);
    if (!beating_) return;
    const auto now = Clock::now();
    // Time in which this rank was suspended says nothing of the other.
    if (now - looked_ > kStopped) heard_ += now - looked_;
    looked_ = now;
    if (!said_goodbye_ && now - sent_ >= kBeat && mpi_->done(MpiLibrary::kBeatOut)) {
      mpi_->send(MpiLibrary::kBeatOut, &kAlive, 1, right());
      sent_ = now;
    }
    while (mpi_->done(MpiLibrary::kBeatIn)) {
      heard_ = now;
      if (beat_in_ == kGone) {
        left_says_goodbye_ = true;
        return;
      }
      mpi_->receive(MpiLibrary::kBeatIn, &beat_in_, 1, left());
    }
    LLASA_CHECK(now - heard_ < timeout_, Status::kWorld,
                "rank %d of %d has given no sign of life for %.0f s (LLASA_WORLD_TIMEOUT)", left(), size_,
                timeout_.count());
  }

  // The last sign of life says so, and nobody ends before it has arrived: no message is left on its way.
  void leave() {
    if (!beating_) return;
    while (!mpi_->done(MpiLibrary::kBeatOut)) beat();
    said_goodbye_ = true;  // nothing more after the last one
    mpi_->send(MpiLibrary::kBeatOut, &kGone, 1, right());
    while (!left_says_goodbye_) {
      beat();
      std::this_thread::yield();
    }
    beating_ = false;
    wait(MpiLibrary::kBeatOut);
  }

  // Runs something on the thread that knows MPI.
  void run(const std::function<void()>& job) {
    std::unique_lock<std::mutex> lock(mutex_);
    throw_if_failed();
    LLASA_CHECK(!stopping_, Status::kState, "this process has left its world");
    job_ = &job;
    error_ = nullptr;
    changed_.notify_all();
    changed_.wait(lock, [&] { return job_ != &job; });
    if (error_) std::rethrow_exception(error_);
  }

  void throw_if_failed() const {
    if (!failure_.empty()) throw Error(Status::kWorld, failure_);
  }

  void loop() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!stopping_) {
      changed_.wait_for(lock, kBeat, [&] { return job_ != nullptr || stopping_ || abort_wanted_; });
      const std::function<void()>* job = job_;
      const bool failed = !failure_.empty();
      lock.unlock();
      std::exception_ptr error;
      std::string failure;
      try {
        if (!failed || abort_wanted_) beat();
        if (job != nullptr) (*job)();
      } catch (const Error& e) {
        error = std::current_exception();
        failure = e.what();
      } catch (...) {
        error = std::current_exception();
        failure = "unknown failure of the thread that knows MPI";
      }
      lock.lock();
      if (failure_.empty()) failure_ = failure;
      if (job != nullptr) {
        error_ = error;
        job_ = nullptr;
        changed_.notify_all();
      }
    }
  }

  void stop() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  static constexpr char kAlive = 1, kGone = 2;

  std::chrono::duration<double> timeout_;
  std::unique_ptr<MpiLibrary> mpi_;
  std::thread thread_;

  // The thread's own.
  bool beating_ = false, said_goodbye_ = false, left_says_goodbye_ = false;
  char beat_in_ = 0;
  Clock::time_point sent_{}, heard_{}, looked_{};

  std::atomic<bool> abort_wanted_{false};
  std::atomic<int> abort_code_{1};

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* job_ = nullptr;
  std::exception_ptr error_;
  std::string failure_;
  bool stopping_ = false;
  bool finished_ = false;
};

}  // namespace

std::unique_ptr<Collective> join_mpi_world(const LaunchEnvironment& environment) {
  static std::mutex mutex;
  static bool started = false;
  const std::lock_guard<std::mutex> lock(mutex);
  LLASA_CHECK(!started, Status::kState,
              "this process has joined a world already, or failed to: MPI starts once in a process");
  return std::make_unique<MpiWorld>(environment, started);
}

}  // namespace llasa
