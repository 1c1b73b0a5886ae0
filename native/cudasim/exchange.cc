#include "exchange.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

namespace cudasim {

namespace {

constexpr size_t kSeatsBytes = size_t{1} << 16;

}  // namespace

bool CollectiveCall::operator==(const CollectiveCall& other) const {
  return std::strcmp(name, other.name) == 0 && count == other.count && root == other.root;
}

std::string Exchange::make() {
  std::error_code error;
  std::string path = (std::filesystem::temp_directory_path(error) / "cudasim-nccl-XXXXXX").string();
  const int file = mkstemp(path.data());
  if (file < 0) return "";
  close(file);
  return path;
}

Exchange::Exchange(const std::string& path, int ranks, int rank) : ranks_(ranks), rank_(rank), path_(path) {
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  if (ftruncate(file, static_cast<off_t>(bytes())) == 0) {  // by each, to the same
    void* memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
    if (memory != MAP_FAILED) memory_ = static_cast<char*>(memory);
  }
  close(file);
}

Exchange::~Exchange() {
  if (memory_ != nullptr) munmap(memory_, bytes());
  unlink_file();
}

void Exchange::unlink_file() {
  if (rank_ == 0 && !path_.empty()) unlink(path_.c_str());
  path_.clear();
}

void Exchange::reach(Stage stage, uint64_t number) {
  seat(rank_).stages[stage].store(number, std::memory_order_release);
}

bool Exchange::all_reached(Stage stage, uint64_t number) const {
  for (int r = 0; r < ranks_; ++r) {
    if (seat(r).stages[stage].load(std::memory_order_acquire) < number) return false;
  }
  return true;
}

char* Exchange::box(int rank) const {
  return memory_ + kSeatsBytes + static_cast<size_t>(rank) * kBoxBytes;
}

CollectiveCall& Exchange::call(int rank) const {
  return seat(rank).call;
}

Exchange::Seat& Exchange::seat(int rank) const {
  return reinterpret_cast<Seat*>(memory_)[rank];
}

size_t Exchange::bytes() const {
  return kSeatsBytes + static_cast<size_t>(ranks_) * kBoxBytes;
}

}  // namespace cudasim
