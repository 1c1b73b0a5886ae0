// Functions that both the host and a card's kernels call.
#pragma once

#if defined(__CUDACC__)
#define LLASA_HOST_DEVICE __host__ __device__
#else
#define LLASA_HOST_DEVICE
#endif
