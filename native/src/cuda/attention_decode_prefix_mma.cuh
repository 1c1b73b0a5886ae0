// Queries against a shared prefix on tensor cores: what attend_prefix (attention_decode_prefix.cuh) asks of its queries,
// with keys and values in bf16. Products and their layouts as in docs/kernels/attention.md.
#pragma once

#include "cuda/attention_decode_prefix.cuh"
#include "cuda/attention_mma.cuh"

namespace llasa::cuda {

// Each warp has 16 query vectors and meets every cache block: 16 x 16 scores, then 16 x D of the output. Keys lie in
// shared memory as in the cache, a token a column, so that they need no turning; D is padded with zeros to kD.
// Rows of keys are an odd number of 16 bytes long, as those of values are (attention_mma.cuh).
template <int kPer>
class MmaPrefixQueries {
  static constexpr int kD = kPer * kWarp, kOfWarp = 16;
  static_assert(uses_tensor_cores(Precision::kBf16, kD) && kBlock == 16);

 public:
  static constexpr int kVectors = kWarps * kOfWarp;
  static constexpr int kBlocks = kD <= 64 ? 4 : 2;  // 10 to 19 KB: more would cost blocks of a multiprocessor
  static constexpr int kTokens = kBlocks * kBlock;
  static constexpr int kKeyStride = kTokens + 8, kValueStride = mma_stride(kD);
  static constexpr int kBytes = 2 * (kD * kKeyStride + kTokens * kValueStride);

  __device__ MmaPrefixQueries(const DecodeArguments& a, const PrefixSplit& p, unsigned char* memory)
      : a_(a), p_(p), keys_(reinterpret_cast<uint16_t*>(memory)), values_(keys_ + kD * kKeyStride) {}

  // Cache blocks begin..end into shared memory, with zeros where nothing is written. All threads call.
  __device__ __forceinline__ void stage(int begin, int end) {
    constexpr int kUnits = kPer;               // of eight elements, of a thread and cache block
    constexpr int kBatch = kPer == 4 ? 2 : 4;  // as registers allow
    static_assert(kBlocks * kUnits % kBatch == 0);
#pragma unroll 1
    for (int first = 0; first < kBlocks * kUnits; first += kBatch) {
      uint4 units[kBatch];
#pragma unroll
      for (int i = 0; i < kBatch; ++i) {
        const int b = begin + (first + i) / kUnits;
        units[i] = make_uint4(0, 0, 0, 0);
        if (b < end) units[i] = load_unit(b, (first + i) % kUnits);
      }
#pragma unroll
      for (int i = 0; i < kBatch; ++i) {
        const int b = (first + i) / kUnits;
        if (begin + b < end) *reinterpret_cast<uint4*>(unit_place(b, (first + i) % kUnits)) = units[i];
      }
    }
  }
  // Queries `first` on, which have seen nothing yet.
  __device__ __forceinline__ void start(int first) {
    const float* rows[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int v = own(first, h);
      rows[h] = v < p_.vectors ? a_.query(p_.row, p_.g, v) : nullptr;
      exponent_[h] = -INFINITY;
      sum_[h] = 0.0f;
    }
    const auto pair = [&](const float* row, int d) {
      return pack_bf16(row != nullptr && d < a_.D ? row[d] : 0.0f,
                       row != nullptr && d + 1 < a_.D ? row[d + 1] : 0.0f);
    };
#pragma unroll
    for (int k = 0; k < kD / 16; ++k) {
      const int d = 16 * k + 2 * mma_place();
      query_[k][0] = pair(rows[0], d);
      query_[k][1] = pair(rows[1], d);
      query_[k][2] = pair(rows[0], d + 8);
      query_[k][3] = pair(rows[1], d + 8);
    }
#pragma unroll
    for (int n = 0; n < kD / 8; ++n) out_[0][n][0] = out_[0][n][1] = out_[0][n][2] = out_[0][n][3] = 0.0f;
  }
  // The same, as store() left them.
  __device__ __forceinline__ void resume(int first) {
    start(first);
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      if (own(first, h) >= p_.vectors) continue;
      const int64_t place = a_.place(p_.row, p_.g, own(first, h), p_.split);
      const float2 moment = a_.moments[place];
      exponent_[h] = moment.x;
      sum_[h] = moment.y;
      const float* out = a_.partial + place * a_.D;
#pragma unroll
      for (int n = 0; n < kD / 8; ++n) {
        const int d = 8 * n + 2 * mma_place();
        if (d < a_.D) out_[0][n][2 * h] = out[d];
        if (d + 1 < a_.D) out_[0][n][2 * h + 1] = out[d + 1];
      }
    }
  }
  __device__ __forceinline__ void store(int first) const {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      if (own(first, h) >= p_.vectors) continue;
      const int64_t place = a_.place(p_.row, p_.g, own(first, h), p_.split);
      if (mma_place() == 0) a_.moments[place] = make_float2(exponent_[h], sum_[h]);
#pragma unroll
      for (int n = 0; n < kD / 8; ++n)
        store_pair(a_.partial + place * a_.D, n, a_.D, out_[0][n][2 * h], out_[0][n][2 * h + 1]);
    }
  }
  // What is staged, of cache blocks begin..end.
  __device__ __forceinline__ void attend(int first, int begin, int end) {
    if (first + mma_warp() * kOfWarp >= p_.vectors) return;
#pragma unroll 1
    for (int b = begin; b < end; ++b) {
      const uint16_t* keys = keys_ + (b - begin) * kBlock + down_first(mma_lane(), kKeyStride);
      float weight[1][2][4] = {};
#pragma unroll
      for (int k = 0; k < kD / 16; ++k) {
        uint32_t columns[4];
        ldmatrix_x4_transposed(columns, keys + 16 * k * kKeyStride);
        mma_m16n8k16_bf16(weight[0][0], query_[k], columns[0], columns[1]);
        mma_m16n8k16_bf16(weight[0][1], query_[k], columns[2], columns[3]);
      }
      const int written = valid(b);
#pragma unroll
      for (int h = 0; h < 2; ++h) weigh(weight[0], h, written);
      accumulate_rows<kD, 1, 2>(weight, values_ + (b - begin) * kBlock * kValueStride, out_);
    }
  }

 private:
  // The vector whose results are elements 2 h and 2 h + 1 of this lane's fragments.
  __device__ __forceinline__ static int own(int first, int h) {
    return first + mma_warp() * kOfWarp + 8 * h + mma_group();
  }
  __device__ __forceinline__ int valid(int b) const {
    return min(p_.tokens - b * kBlock, kBlock);
  }

  // The online softmax step of half h of the rows: products become weights, rounded.
  __device__ __forceinline__ void weigh(float (&c)[2][4], int h, int written) {
    float largest = -INFINITY;
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int token = 8 * n + 2 * mma_place() + e;
        float& score = c[n][2 * h + e];
        score = token < written ? score * a_.factor : -INFINITY;
        largest = Max{}(largest, score);
      }
    }
    const float m = fmaxf(exponent_[h], softmax_exponent(lane_reduce<4>(largest, Max{})));
    const float correction = exp2f(exponent_[h] - m);  // 0 at first
    float sum = 0.0f;
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        float& weight = c[n][2 * h + e];
        weight = round_to_bf16(exp2f(weight - m));
        sum += weight;
      }
    }
    sum_[h] = sum_[h] * correction + lane_reduce<4>(sum, Sum{});
    exponent_[h] = m;
#pragma unroll
    for (int n = 0; n < kD / 8; ++n) {
      out_[0][n][2 * h] *= correction;
      out_[0][n][2 * h + 1] *= correction;
    }
  }

  // Unit `index` of this thread in a cache block: eight tokens of a dimension of the keys, or eight dimensions of a
  // token of the values, which follow.
  struct Unit {
    bool of_keys;
    int row, column;
  };
  __device__ __forceinline__ static Unit unit(int index) {
    const int u = static_cast<int>(threadIdx.x) + index * kThreads, v = u - 2 * kD;
    if (v < 0) return {true, u / 2, u % 2 * 8};
    return {false, v / (kD / 8), v % (kD / 8) * 8};
  }
  __device__ __forceinline__ uint16_t* unit_place(int b, int index) const {
    const Unit u = unit(index);
    return u.of_keys ? keys_ + u.row * kKeyStride + b * kBlock + u.column
                     : values_ + (b * kBlock + u.row) * kValueStride + u.column;
  }
  __device__ __forceinline__ uint4 load_unit(int b, int index) const {
    const Unit u = unit(index);
    const int64_t head = static_cast<int64_t>(a_.D) * kBlock;
    const Bf16* keys = static_cast<const Bf16*>(p_.table[b]) + a_.layer_offset + p_.g * head;
    const int written = valid(b), rows = u.of_keys ? a_.D : written, columns = u.of_keys ? written : a_.D;
    if (u.row >= rows || u.column >= columns) return make_uint4(0, 0, 0, 0);
    const Bf16* from =
        u.of_keys ? keys + u.row * kBlock + u.column : keys + a_.G * head + u.row * a_.D + u.column;
    if (u.column + 8 <= columns && (u.of_keys || a_.D % 8 == 0)) return *reinterpret_cast<const uint4*>(from);
    uint32_t pairs[4] = {};
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      if (u.column + i < columns) pairs[i / 2] |= static_cast<uint32_t>(from[i].bits) << (i % 2 * 16);
    }
    return make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
  }

  const DecodeArguments& a_;
  const PrefixSplit& p_;
  uint16_t* keys_;
  uint16_t* values_;
  uint32_t query_[kD / 16][4];
  float exponent_[2], sum_[2], out_[1][kD / 8][4];
};

}  // namespace llasa::cuda
