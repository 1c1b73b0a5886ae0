// Attention of decoding to a prefix that neighbouring rows share (the prompt of a group): a block reads one split of
// one key/value head into shared memory, a few cache blocks at a time, and all queries of all those rows meet it
// there (Hydragen, arXiv 2402.05099). So each key and value leaves the device's memory once, however many rows there are.
//
// A block has room for the state of so many queries in its registers. Of more, the states wait in the places of
// their results between two stretches of the prefix; they come back as they went, so a query's bits do not
// depend on how many others there are.
#pragma once

#include "cuda/attention_decode.cuh"

namespace llasa::cuda {

__device__ __forceinline__ bool share_prefix(const DecodeRow& a, const DecodeRow& b) {
  return a.prefix_table == b.prefix_table && a.prefix_tokens == b.prefix_tokens;
}

// Rows from `row` on that share its prefix. `votes`: a place per warp. All threads call.
__device__ __forceinline__ int sharing_rows(const DecodeArguments& a, int row, const DecodeRow& r,
                                            unsigned* votes) {
  static_assert(gpu::kDecodeRows <= kThreads, "a thread looks at one row");
  const int other = row + 1 + static_cast<int>(threadIdx.x);
  const unsigned vote = __ballot_sync(kAllLanes, other < a.T && share_prefix(a.rows[other], r));
  if (threadIdx.x % kWarp == 0) votes[threadIdx.x / kWarp] = vote;
  __syncthreads();
  int rows = 1;
  for (int w = 0; w < kWarps; ++w) {
    if (votes[w] != kAllLanes) return rows + __ffs(static_cast<int>(~votes[w])) - 1;
    rows += kWarp;
  }
  return rows;
}

// The split of a prefix that a block reads, and who asks for it.
struct PrefixSplit {
  void* const* table;
  int tokens;   // of the whole prefix
  int row;      // the first that shares it
  int vectors;  // queries of all that do
  int g, split;
};

// Queries of a block on CUDA cores: each warp has kOfWarp of them and meets every cache block.
template <typename T, int kPer, int kRowVectors>
class PrefixQueries {
  static constexpr int kD = kPer * kWarp;
  static constexpr int kOfWarp = kPer == 8 ? 2 : kRowVectors;
  static constexpr bool kRounds = std::is_same_v<T, Bf16> && uses_tensor_cores(Precision::kBf16, kD);
  static constexpr int kTileBytes = 2 * kD * kBlock * static_cast<int>(sizeof(T));
  static constexpr int kStretch = 16 * 1024;  // bytes; more would cost blocks of a multiprocessor
  static constexpr int kQueryFloats = kOfWarp * kD, kWeights = kOfWarp * kBlock;

 public:
  static constexpr int kVectors = kWarps * kOfWarp;
  static constexpr int kBlocks = kTileBytes >= kStretch       ? 1
                                 : kTileBytes * 4 >= kStretch ? kStretch / kTileBytes
                                                              : 4;  // of a stretch
  static constexpr int kBytes = kBlocks * kTileBytes + 4 * kWarps * (kQueryFloats + kWeights);

  __device__ PrefixQueries(const DecodeArguments& a, const PrefixSplit& p, unsigned char* memory)
      : a_(a),
        p_(p),
        tiles_(reinterpret_cast<T*>(memory)),
        weights_(reinterpret_cast<float*>(memory + kBlocks * kTileBytes) + warp() * kWeights),
        q_(reinterpret_cast<float*>(memory + kBlocks * kTileBytes) + kWarps * kWeights +
           warp() * kQueryFloats) {}

  // Cache blocks begin..end into shared memory. All threads call.
  __device__ __forceinline__ void stage(int begin, int end) {
    const int64_t head = static_cast<int64_t>(a_.D) * kBlock;
    const int elements = a_.D * kBlock;
#pragma unroll 1
    for (int b = begin; b < end; ++b) {
      const T* keys = static_cast<const T*>(p_.table[b]) + a_.layer_offset + p_.g * head;
      const T* values = keys + a_.G * head;
      T* tile = tiles_ + (b - begin) * 2 * elements;
      const int written = valid(b);
      if (written == kBlock) {
#pragma unroll 1
        for (int i = static_cast<int>(threadIdx.x) * 4; i < elements; i += kThreads * 4) {
          copy4(tile + i, keys + i);
          copy4(tile + elements + i, values + i);
        }
      } else {
        for (int i = static_cast<int>(threadIdx.x); i < elements; i += kThreads) {
          if (i % kBlock < written) tile[i] = keys[i];
          if (i < written * a_.D) tile[elements + i] = values[i];
        }
      }
    }
  }
  // Queries `first` on, which have seen nothing yet.
  __device__ __forceinline__ void start(int first) {
    load_queries(first);
#pragma unroll
    for (int v = 0; v < kOfWarp; ++v) {
      running_.exponent[v] = -INFINITY;
      running_.sum[v] = 0.0f;
#pragma unroll
      for (int j = 0; j < kPer; ++j) running_.out[v][j] = 0.0f;
    }
  }
  // The same, as store() left them.
  __device__ __forceinline__ void resume(int first) {
    start(first);
#pragma unroll
    for (int v = 0; v < kOfWarp; ++v) {
      if (own(first) + v >= p_.vectors) continue;
      const int64_t place = a_.place(p_.row, p_.g, own(first) + v, p_.split);
      const float2 moment = a_.moments[place];
      running_.exponent[v] = moment.x;
      running_.sum[v] = moment.y;
#pragma unroll
      for (int j = 0; j < kPer; ++j) {
        const int d = lane() + kWarp * j;
        if (d < a_.D) running_.out[v][j] = a_.partial[place * a_.D + d];
      }
    }
  }
  __device__ __forceinline__ void store(int first) const {
#pragma unroll
    for (int v = 0; v < kOfWarp; ++v) {
      if (own(first) + v >= p_.vectors) continue;
      const int64_t place = a_.place(p_.row, p_.g, own(first) + v, p_.split);
      if (lane() == 0) a_.moments[place] = make_float2(running_.exponent[v], running_.sum[v]);
#pragma unroll
      for (int j = 0; j < kPer; ++j) {
        const int d = lane() + kWarp * j;
        if (d < a_.D) a_.partial[place * a_.D + d] = running_.out[v][j];
      }
    }
  }
  // What is staged, of cache blocks begin..end.
  __device__ __forceinline__ void attend(int first, int begin, int end) {
    if (own(first) >= p_.vectors) return;
    const int elements = a_.D * kBlock;
#pragma unroll 1
    for (int b = begin; b < end; ++b) {
      const T* tile = tiles_ + (b - begin) * 2 * elements;
      attend_block<T, kPer, kOfWarp, kRounds>(tile, tile + elements, q_, a_.D, valid(b), weights_, running_);
    }
  }

 private:
  __device__ __forceinline__ static int lane() {
    return static_cast<int>(threadIdx.x) % kWarp;
  }
  __device__ __forceinline__ static int warp() {
    return static_cast<int>(threadIdx.x) / kWarp;
  }
  __device__ __forceinline__ static int own(int first) {
    return first + warp() * kOfWarp;
  }
  __device__ __forceinline__ int valid(int b) const {
    return min(p_.tokens - b * kBlock, kBlock);
  }
  __device__ __forceinline__ static void copy4(T* to, const T* from) {
    using Raw = std::conditional_t<std::is_same_v<T, Bf16>, uint2, float4>;
    *reinterpret_cast<Raw*>(to) = *reinterpret_cast<const Raw*>(from);
  }
  __device__ __forceinline__ void load_queries(int first) {
    __syncwarp();  // others may read those before
    for (int i = lane(); i < kOfWarp * a_.D; i += kWarp) {
      const int v = own(first) + i / a_.D;
      const float x = v < p_.vectors ? a_.query(p_.row, p_.g, v)[i % a_.D] : 0.0f;
      q_[i] = as_multiplied<kRounds>(x) * a_.factor;
    }
    __syncwarp();
  }

  const DecodeArguments& a_;
  const PrefixSplit& p_;
  T* tiles_;
  float* weights_;
  float* q_;
  Running<kPer, kOfWarp> running_;
};

// All queries of a split against its cache blocks.
template <typename Queries>
__device__ __forceinline__ void attend_prefix(const DecodeArguments& a, const PrefixSplit& p,
                                              BlockRange range, unsigned char* memory) {
  Queries queries(a, p, memory);
  const bool wait = p.vectors > Queries::kVectors;
#pragma unroll 1
  for (int begin = range.begin; begin < range.end; begin += Queries::kBlocks) {
    const int end = min(begin + Queries::kBlocks, range.end);
    queries.stage(begin, end);
    __syncthreads();
#pragma unroll 1
    for (int first = 0; first < p.vectors; first += Queries::kVectors) {
      if (begin == range.begin)
        queries.start(first);
      else if (wait)
        queries.resume(first);
      queries.attend(first, begin, end);
      if (wait || end == range.end) queries.store(first);
    }
    __syncthreads();
  }
}

}  // namespace llasa::cuda
