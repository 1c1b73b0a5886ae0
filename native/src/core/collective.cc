#include "core/collective.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/launch_environment.h"
#include "core/mpi_world.h"
#include "core/nccl_link.h"
#include "core/parallel.h"

namespace llasa {

namespace {

// Floats of all shards together that are on their way at once.
constexpr int64_t kOnTheirWay = int64_t{1} << 22;
int64_t longest_shard(int64_t count, int size) {
  return Shard::of(count, size - 1, size).count();
}
int64_t piece_of(int64_t count, int size) {
  return std::min(std::max(kOnTheirWay / size, Shard::kUnit), longest_shard(count, size));
}

class SingleWorld final : public Collective {
 public:
  SingleWorld() { meet_neighbours(); }
};

// Who a rank is to its neighbours: they share a machine where the names are the same.
struct Place {
  char host[256];
  cpu_set_t processors;
};

Place here() {
  Place place;
  std::memset(&place, 0, sizeof place);
  gethostname(place.host, sizeof place.host - 1);
  if (sched_getaffinity(0, sizeof place.processors, &place.processors) != 0) CPU_SET(0, &place.processors);
  return place;
}

}  // namespace

Shard Shard::of(int64_t count, int rank, int size) {
  const int64_t each = even(count, size);
  return {each * rank, rank + 1 == size ? count : each * (rank + 1)};
}

Collective::Collective() = default;
Collective::~Collective() = default;

void Collective::exchange(std::span<const Outgoing>, std::span<const Incoming>) {}

void Collective::abort(int code) {
  std::_Exit(code);
}

void Collective::meet_neighbours() {
  std::vector<Place> places(static_cast<size_t>(size_));
  const Place mine = here();
  const std::vector<int64_t> sizes(places.size(), sizeof(Place));
  all_gather(&mine, sizes, places.data());
  local_rank_ = local_size_ = 0;
  int sharing = 0;  // ranks that may use one of this rank's processors
  for (int r = 0; r < size_; ++r) {
    const Place& other = places[static_cast<size_t>(r)];
    if (std::strcmp(other.host, mine.host) != 0) continue;
    local_rank_ += r < rank_;
    ++local_size_;
    cpu_set_t both;
    CPU_AND(&both, &other.processors, &mine.processors);
    sharing += CPU_COUNT(&both) > 0;
  }
  threads_ = std::max(1, CPU_COUNT(&mine.processors) / std::max(1, sharing));
}

void Collective::barrier() {
  const char mine = 0;
  std::vector<char> all(static_cast<size_t>(size_));
  all_gather(&mine, std::vector<int64_t>(all.size(), 1), all.data());
}

void Collective::broadcast(void* data, int64_t bytes, int root) {
  LLASA_CHECK(root >= 0 && root < size_, Status::kArgument, "`root`: %d, expected 0..%d", root, size_ - 1);
  if (size_ == 1 || bytes == 0) return;
  std::vector<Outgoing> sends;
  std::vector<Incoming> receives;
  for (int r = 0; r < size_ && rank_ == root; ++r) {
    if (r != root) sends.push_back({data, bytes, r});
  }
  if (rank_ != root) receives.push_back({data, bytes, root});
  exchange(sends, receives);
}

void Collective::all_gather(const void* mine, std::span<const int64_t> sizes, void* out) {
  std::vector<Outgoing> sends;
  std::vector<Incoming> receives;
  char* place = static_cast<char*>(out);
  for (int r = 0; r < size_; ++r) {
    const int64_t bytes = sizes[static_cast<size_t>(r)], own = sizes[static_cast<size_t>(rank_)];
    if (r == rank_) {
      if (place != mine && bytes > 0) std::memmove(place, mine, static_cast<size_t>(bytes));
    } else {
      if (own > 0) sends.push_back({mine, own, r});
      if (bytes > 0) receives.push_back({place, bytes, r});
    }
    place += bytes;
  }
  if (size_ > 1) exchange(sends, receives);
}

void Collective::all_reduce(double* values, int64_t count) {
  if (size_ == 1 || count == 0) return;
  std::vector<double> all(static_cast<size_t>(count * size_));
  all_gather(values,
             std::vector<int64_t>(static_cast<size_t>(size_), count * static_cast<int64_t>(sizeof(double))),
             all.data());
  for (int64_t i = 0; i < count; ++i) {
    double sum = 0;
    for (int r = 0; r < size_; ++r) sum += all[static_cast<size_t>(r * count + i)];
    values[i] = sum;
  }
}

void Collective::connect_devices(Stream& stream) {
  if (size_ == 1 || !device_works_behind() || asked_for_devices_) return;
  asked_for_devices_ = true;
  link_ = join_devices(*this, stream, device_refusal_);
  if (link_ != nullptr) device_library_ = link_->library();
}

void Collective::leave_devices() {
  if (link_ != nullptr) link_->finish();
  link_.reset();
}

void Collective::reduce_scatter(Stream& stream, float* values, int64_t count) {
  if (size_ == 1 || count == 0) return;
  if (link_ != nullptr) return link_->reduce_scatter(stream, values, count);
  // A piece of each shard at a time: what is sent is staged, rank by rank, and so is what comes.
  const int64_t longest = longest_shard(count, size_);
  const int64_t piece = piece_of(count, size_);
  staging_.resize(static_cast<size_t>(piece * size_));
  received_.resize(staging_.size());
  std::vector<Outgoing> sends;
  std::vector<Incoming> receives;
  for (int64_t from = 0; from < longest; from += piece) {
    const auto part = [&](int r) {
      const Shard whole = Shard::of(count, r, size_);
      const int64_t begin = std::min(whole.begin + from, whole.end);
      return Shard{begin, std::min(begin + piece, whole.end)};
    };
    const Shard own = part(rank_);
    sends.clear();
    receives.clear();
    for (int r = 0; r < size_; ++r) {
      const Shard theirs = part(r);
      const int64_t bytes = theirs.count() * static_cast<int64_t>(sizeof(float));
      if (bytes > 0)
        copy_to_host(stream, &staging_[static_cast<size_t>(r * piece)], values + theirs.begin, bytes);
      if (r == rank_) continue;
      if (bytes > 0) sends.push_back({&staging_[static_cast<size_t>(r * piece)], bytes, r});
      if (own.count() > 0)
        receives.push_back({&received_[static_cast<size_t>(r * piece)],
                            own.count() * static_cast<int64_t>(sizeof(float)), r});
    }
    exchange(sends, receives);
    if (own.count() == 0) continue;
    float* mine = &staging_[static_cast<size_t>(rank_ * piece)];
    parallel_ranges(own.count(), int64_t{1} << 14, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        float sum = 0;
        for (int r = 0; r < size_; ++r)
          sum += r == rank_ ? mine[i] : received_[static_cast<size_t>(r * piece + i)];
        mine[i] = sum;
      }
    });
    copy_to_device(stream, values + own.begin, mine, own.count() * static_cast<int64_t>(sizeof(float)));
  }
}

void Collective::all_gather(Stream& stream, void* values, int64_t count, int64_t element_bytes) {
  if (size_ == 1 || count == 0) return;
  if (link_ != nullptr) return link_->all_gather(stream, values, count, element_bytes);
  const int64_t longest = longest_shard(count, size_);
  const int64_t piece = piece_of(count, size_);
  const auto at = [&](const Shard& part) { return static_cast<char*>(values) + part.begin * element_bytes; };
  gathered_.resize(static_cast<size_t>(piece * size_ * element_bytes));
  for (int64_t from = 0; from < longest; from += piece) {
    std::vector<int64_t> sizes;
    std::vector<Shard> parts;
    for (int r = 0; r < size_; ++r) {
      const Shard whole = Shard::of(count, r, size_);
      const int64_t begin = std::min(whole.begin + from, whole.end);
      parts.push_back({begin, std::min(begin + piece, whole.end)});
      sizes.push_back(parts.back().count() * element_bytes);
    }
    int64_t place = 0;
    for (int r = 0; r < rank_; ++r) place += sizes[static_cast<size_t>(r)];
    const auto own = static_cast<size_t>(rank_);
    if (sizes[own] > 0) copy_to_host(stream, gathered_.data() + place, at(parts[own]), sizes[own]);
    all_gather(gathered_.data() + place, sizes, gathered_.data());
    place = 0;
    for (int r = 0; r < size_; ++r) {
      const auto i = static_cast<size_t>(r);
      if (r != rank_ && sizes[i] > 0)
        copy_to_device(stream, at(parts[i]), gathered_.data() + place, sizes[i]);
      place += sizes[i];
    }
  }
  // A copy to a device may still read the staging memory of another collective.
  stream.synchronize();
}

std::unique_ptr<Collective> single_world() {
  return std::make_unique<SingleWorld>();
}

std::unique_ptr<Collective> join_world() {
  const LaunchEnvironment environment =
      read_launch_environment([](const char* name) { return std::getenv(name); });
  if (!environment.message_passing) return single_world();
  return join_mpi_world(environment);
}

}  // namespace llasa
