// Functions of the caller that long calls call, on the calling thread: non-zero cancels.
#pragma once

#include <cstdint>

namespace llasa {

using ProgressCallback = int32_t (*)(void* user, int64_t done, int64_t total);
using SampleCallback = int32_t (*)(void* user, int64_t index);

}  // namespace llasa
