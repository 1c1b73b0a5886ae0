// Convolutions on the device; contract in ops/conv1d.h, derivation in docs/kernels/vocoder.md.
//
// A convolution is the product of the taps of every output frame [T', K I] and the weight [O, K I]. Small
// weights go through a tiled product that gathers taps as it loads (implicit im2col). Large ones pay for taps
// written out (3 to 7 times the input, read once more) by running in the library's GEMM.
#include "core/scratch.h"
#include "cuda/clips.h"
#include "cuda/common.cuh"
#include "ops/conv1d.h"
#include "ops/gemm.h"
#include "ops/gpu_scratch.h"

namespace llasa {
namespace cuda {
namespace {

constexpr int kTile = 64;      // output frames and output channels of a block
constexpr int kDepth = 16;     // taps in shared memory at a time
constexpr int kThreads = 256;  // each a 4 x 4 piece of the tile

// Where the taps of an output frame lie.
struct Source {
  int64_t clip;  // first input row of the clip
  int32_t first, frames;
};

__device__ __forceinline__ Source source_of(const ClipTable& clips, const Conv1dShape& s, int64_t row) {
  const int32_t b = clips.clip_of(row);
  return {clips.in[b], static_cast<int32_t>((row - clips.out[b]) * s.stride - s.pad_left),
          static_cast<int32_t>(clips.in[b + 1] - clips.in[b])};
}

__device__ __forceinline__ float tap(const float* __restrict__ x, const Source& source, int32_t frame,
                                     int32_t channels, int32_t channel) {
  return frame >= 0 && frame < source.frames ? x[(source.clip + frame) * channels + channel] : 0.0f;
}

// y[t,o] = bias[o] + sum over j of taps[t,j] weight[o,j] (+ y).
//   shapes        x [T,I]; weight [O, J], J = kernel I; y [T',O]
//   mapping       block = 64 frames x 64 channels, thread = 4 x 4 of them, 16 apart; taps and weights pass
//                 through shared memory 16 at a time
//   shared        10 KB; about 60 registers
//   traffic       2 T' J O flops: 7 x 48 x 96 channels at 80,000 frames 5.2 GFLOP; each tap is read O/64
//                 times, from L1 and L2. Bound by f32 multiply-adds: floor 0.08 ms (computed, H200 67
//                 TFLOP/s), at half of that rate 0.16 ms
//   numerics      f32, taps in order: error about eps sqrt(J)
//   determinism   order fixed by J
__global__ void __launch_bounds__(kThreads)
    conv1d_small_kernel(ClipTable clips, Conv1dShape shape, const float* __restrict__ x,
                        const float* __restrict__ weight, const float* __restrict__ bias,
                        float* __restrict__ y, int64_t end_row, bool accumulate) {
  __shared__ float taps[kDepth][kTile + 4];
  __shared__ float weights[kDepth][kTile + 4];
  __shared__ Source sources[kTile];
  const int thread = static_cast<int>(threadIdx.x), column = thread % 16, row = thread / 16;
  const int64_t first_row = clips.out[0] + static_cast<int64_t>(blockIdx.x) * kTile;
  const int I = static_cast<int>(shape.in_channels), O = static_cast<int>(shape.out_channels);
  const int J = static_cast<int>(shape.kernel) * I, first_channel = static_cast<int>(blockIdx.y) * kTile;
  if (thread < kTile) {
    sources[thread] =
        first_row + thread < end_row ? source_of(clips, shape, first_row + thread) : Source{0, 0, 0};
  }
  float sum[4][4] = {};
  for (int start = 0; start < J; start += kDepth) {
    __syncthreads();
    // Lane = tap: the taps of a frame are neighbours in x, and so are those of a row of the weight.
    const int j = start + column, k = j / I, i = j - k * I;
#pragma unroll
    for (int u = 0; u < 4; ++u) {
      const int r = row + 16 * u, o = first_channel + r;
      const Source& source = sources[r];
      taps[column][r] =
          j < J ? tap(x, source, source.first + k * static_cast<int>(shape.dilation), I, i) : 0.0f;
      weights[column][r] = j < J && o < O ? weight[static_cast<int64_t>(o) * J + j] : 0.0f;
    }
    __syncthreads();
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
      float a[4], b[4];
#pragma unroll
      for (int u = 0; u < 4; ++u) {
        a[u] = taps[d][row + 16 * u];
        b[u] = weights[d][column + 16 * u];
      }
#pragma unroll
      for (int u = 0; u < 4; ++u) {
#pragma unroll
        for (int v = 0; v < 4; ++v) sum[u][v] = fmaf(a[u], b[v], sum[u][v]);
      }
    }
  }
#pragma unroll
  for (int u = 0; u < 4; ++u) {
    const int64_t t = first_row + row + 16 * u;
    if (t >= end_row) continue;
#pragma unroll
    for (int v = 0; v < 4; ++v) {
      const int o = first_channel + column + 16 * v;
      if (o >= O) continue;
      float* out = y + t * O + o;
      float value = sum[u][v];
      if (bias != nullptr) value += bias[o];
      *out = accumulate ? *out + value : value;
    }
  }
}

// columns[r, j] = tap j of output row begin + r.
//   mapping       block = output row, thread = every 256th tap
//   traffic       8 J bytes per row (reads mostly from L2): 4096 rows x 3072 taps 101 MB, floor 21 us
//                 (computed, H200 4.8 TB/s)
__global__ void __launch_bounds__(kThreads)
    conv1d_columns_kernel(ClipTable clips, Conv1dShape shape, const float* __restrict__ x,
                          float* __restrict__ columns, int64_t begin) {
  const int64_t r = blockIdx.x;
  const Source source = source_of(clips, shape, begin + r);
  const int I = static_cast<int>(shape.in_channels), J = static_cast<int>(shape.kernel) * I;
  for (int j = static_cast<int>(threadIdx.x); j < J; j += kThreads) {
    const int k = j / I;
    columns[r * J + j] = tap(x, source, source.first + k * static_cast<int>(shape.dilation), I, j - k * I);
  }
}

// y[t,o] = bias[o] (+ y), what the product is added to. Thread = element; 4 to 8 bytes each.
__global__ void __launch_bounds__(kThreads)
    conv1d_bias_kernel(const float* __restrict__ bias, float* __restrict__ y, int64_t count, int64_t O,
                       bool accumulate) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const float b = bias[i % O];
  y[i] = accumulate ? y[i] + b : b;
}

constexpr int kChannels = 32;      // of a depthwise block, one per lane
constexpr int kFrames = 64;        // and its frames
constexpr int kFrameThreads = 8;   // warps
constexpr int64_t kMaxTaps = 256;  // of a depthwise filter

// y[t,c] = sum over k of weight[c,k] x[t + k - pad_left, c], taps outside t's clip left out.
//   mapping       block = 64 frames x 32 channels, lane = channel, warp = every 8th frame
//   shared        (64 + K - 1) x 32 inputs and K x 32 weights: 16 KB at K = 31
//   traffic       8 T C bytes and the halo of K - 1 in 64 frames: 1500 x 1024 12 MB, floor 3.8 us (computed,
//                 H200 4.8 TB/s); 2 K flops per element stay below that
//   numerics      f32, k ascending
//   determinism   order fixed by K
__global__ void __launch_bounds__(kChannels* kFrameThreads)
    depthwise_conv1d_kernel(ClipTable clips, const float* __restrict__ x, const float* __restrict__ weight,
                            float* __restrict__ y, int64_t end_row, int32_t C, int32_t K, int32_t pad_left) {
  LLASA_DYNAMIC_SHARED(float, shared);
  float* weights = shared + (kFrames + K - 1) * kChannels;
  const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
  const int channel = static_cast<int>(blockIdx.y) * kChannels + lane;
  const int64_t first = clips.out[0] + static_cast<int64_t>(blockIdx.x) * kFrames;
  for (int r = warp; r < kFrames + K - 1; r += kFrameThreads) {
    const int64_t t = first + r - pad_left;
    shared[r * kChannels + lane] =
        channel < C && t >= clips.out[0] && t < end_row ? x[t * C + channel] : 0.0f;
  }
  for (int k = warp; k < K; k += kFrameThreads) {
    weights[k * kChannels + lane] = channel < C ? weight[static_cast<int64_t>(channel) * K + k] : 0.0f;
  }
  __syncthreads();
  if (channel >= C) return;
  for (int r = warp; r < kFrames && first + r < end_row; r += kFrameThreads) {
    const int64_t t = first + r;
    const int32_t b = clips.clip_of(t);
    const int64_t before = pad_left - (t - clips.out[b]), after = clips.out[b + 1] - t + pad_left;
    const int low = before > 0 ? static_cast<int>(before) : 0;
    const int high = after < K ? static_cast<int>(after) : K;
    float sum = 0.0f;
    for (int k = low; k < high; ++k) {
      sum = fmaf(weights[k * kChannels + lane], shared[(r + k) * kChannels + lane], sum);
    }
    y[t * C + channel] = sum;
  }
}

void conv1d_small(Stream& stream, const float* x, const float* weight, const float* bias, float* y,
                  const int64_t* in_offsets, const int64_t* out_offsets, int64_t B, const Conv1dShape& shape,
                  bool accumulate) {
  for_clips(in_offsets, out_offsets, B, [&](const ClipTable& clips, int64_t rows) {
    const dim3 grid(static_cast<unsigned>(ceil_div(rows, kTile)),
                    static_cast<unsigned>(ceil_div(shape.out_channels, kTile)), 1);
    LLASA_LAUNCH(conv1d_small_kernel, grid, kThreads, 0, stream, clips, shape, x, weight, bias, y,
                 clips.out[clips.count], accumulate);
  });
}

}  // namespace
}  // namespace cuda

void conv1d_forward(Stream& stream, const float* x, WeightView weight, const float* bias, float* y,
                    const int64_t* in_offsets, const int64_t* out_offsets, int64_t B,
                    const Conv1dShape& shape, bool accumulate) {
  using namespace cuda;
  const int64_t O = shape.out_channels, J = shape.kernel * shape.in_channels;
  if (O * J <= gpu::kSmallConvolution && !weight.is_bf16()) {
    conv1d_small(stream, x, weight.f32(), bias, y, in_offsets, out_offsets, B, shape, accumulate);
    return;
  }
  const float beta = bias != nullptr || accumulate ? 1.0f : 0.0f;
  Scratch scratch(stream);
  const int64_t chunk_rows =
      std::max<int64_t>(1, gpu::kConvolutionBytes / (J * static_cast<int64_t>(sizeof(float))));
  float* columns = scratch.take<float>(std::min(out_offsets[B] - out_offsets[0], chunk_rows) * J);
  for_clips(in_offsets, out_offsets, B, [&](const ClipTable& clips, int64_t rows) {
    for (int64_t done = 0; done < rows; done += chunk_rows) {
      const int64_t begin = clips.out[0] + done, count = std::min(chunk_rows, rows - done);
      LLASA_LAUNCH(conv1d_columns_kernel, grid_of(count), kThreads, 0, stream, clips, shape, x, columns,
                   begin);
      float* out = y + begin * O;
      if (bias != nullptr) {
        LLASA_LAUNCH(conv1d_bias_kernel, grid_of(ceil_div(count * O, kThreads)), kThreads, 0, stream, bias,
                     out, count * O, O, accumulate);
      }
      gemm(stream, false, true, count, O, J, 1.0f, columns, J, weight, J, beta, out, O);
    }
  });
}

void depthwise_conv1d_forward(Stream& stream, const float* x, const float* weight, float* y,
                              const int64_t* offsets, int64_t B, int64_t C, int64_t K, int64_t pad_left) {
  using namespace cuda;
  LLASA_CHECK(K >= 1 && K <= kMaxTaps, Status::kArgument,
              "depthwise convolution: a filter of %lld taps, expected 1..%lld", static_cast<long long>(K),
              static_cast<long long>(kMaxTaps));
  const auto shared = static_cast<size_t>((kFrames + 2 * K - 1) * kChannels) * sizeof(float);
  for_clips(offsets, offsets, B, [&](const ClipTable& clips, int64_t rows) {
    const dim3 grid(static_cast<unsigned>(ceil_div(rows, kFrames)),
                    static_cast<unsigned>(ceil_div(C, kChannels)), 1);
    LLASA_LAUNCH(depthwise_conv1d_kernel, grid, dim3(kChannels, kFrameThreads, 1), shared, stream, clips, x,
                 weight, y, clips.out[clips.count], static_cast<int32_t>(C), static_cast<int32_t>(K),
                 static_cast<int32_t>(pad_left));
  });
}

}  // namespace llasa
