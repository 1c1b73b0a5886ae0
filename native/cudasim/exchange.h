// What stands in for the wires between pretended cards of several processes: a file that all of them map, with a
// seat and a box for each rank.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace cudasim {

// What a rank's collective is, as it says itself: all must say the same.
struct CollectiveCall {
  char name[24] = "";
  uint64_t count = 0;
  int32_t root = 0;

  bool operator==(const CollectiveCall& other) const;
};

class Exchange {
 public:
  static constexpr size_t kBoxBytes = size_t{1} << 28;  // of each rank, taken as far as it is written

  // Makes the file; its path is what ranks meet by. "" where it cannot be made.
  static std::string make();
  // Takes a seat. ok() says whether that worked.
  Exchange(const std::string& path, int ranks, int rank);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  bool ok() const { return memory_ != nullptr; }
  int ranks() const { return ranks_; }
  int rank() const { return rank_; }

  // Once all have taken their seats nobody else need find it, and nothing is left of ranks that are killed.
  void unlink_file();

  // A rank's count of what it has come to; each only grows.
  enum Stage { kJoined, kPosted, kRead, kLeft, kStages };
  void reach(Stage stage, uint64_t number);
  bool all_reached(Stage stage, uint64_t number) const;

  // Valid to write after all have read what was there, to read after all have posted.
  char* box(int rank) const;
  CollectiveCall& call(int rank) const;

 private:
  struct Seat {
    std::atomic<uint64_t> stages[kStages];
    CollectiveCall call;
  };
  Seat& seat(int rank) const;
  size_t bytes() const;

  int ranks_, rank_;
  char* memory_ = nullptr;
  std::string path_;
};

}  // namespace cudasim
