// Functions of the caller that long calls call, on the calling thread: non-zero cancels, of
// ArrivalCallback a negative number.
#pragma once

#include <cstdint>

namespace llasa {

using ProgressCallback = int32_t (*)(void* user, int64_t done, int64_t total);
using ArrivalCallback = int64_t (*)(void* user);
using SampleCallback = int32_t (*)(void* user, int64_t index);

}  // namespace llasa
