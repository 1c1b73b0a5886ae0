#include "models/moments.h"

#include <algorithm>
#include <cstring>

#include "core/memory_plan.h"

namespace llasa {

Moments::Moments(Stream& stream, int64_t count, bool on_host, int64_t piece)
    : count_(count), piece_(std::min(count, piece)), on_host_(on_host) {
  try {
    for (float** moment : {&first_, &second_}) {
      const char* what = moment == &first_ ? "first moments" : "second moments";
      *moment =
          static_cast<float*>(on_host ? pinned_allocate(bytes(), what) : device_allocate(bytes(), what));
      if (!on_host)
        zero_on_device(stream, *moment, bytes());
      else if (!planning() && count > 0)
        std::memset(*moment, 0, static_cast<size_t>(bytes()));
    }
    if (on_host) {
      staged1_.reserve(piece_, "moments on their way");
      staged2_.reserve(piece_, "moments on their way");
    }
  } catch (...) {
    release();
    throw;
  }
}

Moments::~Moments() {
  release();
}

void Moments::release() noexcept {
  for (float* moment : {first_, second_}) {
    if (on_host_)
      pinned_free(moment, bytes());
    else
      device_free(moment, bytes());
  }
}

void Moments::step(Stream& stream, float* weights, const float* gradients, const AdamW& options) {
  if (!on_host_) {
    adamw_step(stream, weights, gradients, first_, second_, count_, options);
    return;
  }
  for (int64_t begin = 0; begin < count_; begin += piece_) {
    const int64_t n = std::min(piece_, count_ - begin), size = n * static_cast<int64_t>(sizeof(float));
    copy_to_device(stream, staged1_.data(), first_ + begin, size);
    copy_to_device(stream, staged2_.data(), second_ + begin, size);
    adamw_step(stream, weights + begin, gradients + begin, staged1_.data(), staged2_.data(), n, options);
    if (planning()) continue;  // under which a copy to the host is written to
    copy_to_host(stream, first_ + begin, staged1_.data(), size);
    copy_to_host(stream, second_ + begin, staged2_.data(), size);
  }
}

}  // namespace llasa
