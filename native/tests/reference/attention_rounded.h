// Attention and its gradient in double, with a hand to round what a plain low-precision version would store
// as bf16: the inputs, the probabilities and their gradients (the operands of products), the results. Scores
// and sums are not rounded. Exact{} makes it the oracle.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/half.h"
#include "ops/attention.h"

namespace llasa::test::reference {

struct Exact {
  double operator()(double x) const { return x; }
};
struct RoundToBf16 {
  double operator()(double x) const { return bf16_to_float(float_to_bf16(static_cast<float>(x))); }
};

struct RoundedAttention {
  std::vector<double> out;   // [T, H D]
  std::vector<double> lse;   // [T, H]
  std::vector<double> dqkv;  // [T, (H + 2 G) D]; of sum(dout * out)
};

// visible: the rows that each row of qkv [T, (H + 2 G) D] sees; a row without any has zeros. delta_of_out: the mean of a
// row's dp is dout out, as ops that keep out have it, of the out that is stored; else sum p dp.
template <typename Round>
RoundedAttention attention(const std::vector<float>& qkv, const std::vector<float>& dout,
                           const std::vector<std::vector<int64_t>>& visible, const AttentionShape& shape,
                           double scale, Round round, bool delta_of_out = false) {
  const int64_t T = static_cast<int64_t>(visible.size()), H = shape.H, G = shape.G, D = shape.D;
  RoundedAttention result;
  result.out.resize(static_cast<size_t>(T * H * D));
  result.lse.resize(static_cast<size_t>(T * H));
  result.dqkv.resize(qkv.size());
  const auto dot = [&](const double* a, const double* b) {
    double sum = 0;
    for (int64_t d = 0; d < D; ++d) sum += a[d] * b[d];
    return sum;
  };
  std::vector<double> in, dy;
  for (float x : qkv) in.push_back(round(static_cast<double>(x)));
  for (float x : dout) dy.push_back(round(static_cast<double>(x)));
  for (int64_t t = 0; t < T; ++t) {
    const std::vector<int64_t>& keys = visible[static_cast<size_t>(t)];
    for (int64_t h = 0; h < H && !keys.empty(); ++h) {
      const auto place = [&](int64_t u, int64_t head) { return u * shape.row() + head * D; };
      const int64_t q = place(t, h), g = H + h / (H / G), y = (t * H + h) * D;
      std::vector<double> p;
      double most = -INFINITY, sum = 0, delta = 0;
      for (int64_t u : keys) {
        p.push_back(scale * dot(&in[static_cast<size_t>(q)], &in[static_cast<size_t>(place(u, g))]));
        most = std::max(most, p.back());
      }
      for (double& score : p) sum += score = std::exp(score - most);
      result.lse[static_cast<size_t>(t * H + h)] = most + std::log(sum);
      std::vector<double> dp;
      for (size_t i = 0; i < keys.size(); ++i) {
        p[i] = round(p[i] / sum);
        const double* value = &in[static_cast<size_t>(place(keys[i], g + G))];
        for (int64_t d = 0; d < D; ++d) result.out[static_cast<size_t>(y + d)] += p[i] * value[d];
        dp.push_back(dot(&dy[static_cast<size_t>(y)], value));
        delta += p[i] * dp[i];
      }
      if (delta_of_out) {
        delta = 0;
        for (int64_t d = 0; d < D; ++d)
          delta += dy[static_cast<size_t>(y + d)] * round(result.out[static_cast<size_t>(y + d)]);
      }
      for (size_t i = 0; i < keys.size(); ++i) {
        const double ds = round(p[i] * (dp[i] - delta));
        const int64_t k = place(keys[i], g), v = place(keys[i], g + G);
        for (int64_t d = 0; d < D; ++d) {
          result.dqkv[static_cast<size_t>(q + d)] += scale * ds * in[static_cast<size_t>(k + d)];
          result.dqkv[static_cast<size_t>(k + d)] += scale * ds * in[static_cast<size_t>(q + d)];
          result.dqkv[static_cast<size_t>(v + d)] += p[i] * dy[static_cast<size_t>(y + d)];
        }
      }
    }
  }
  for (double& x : result.out) x = round(x);
  for (double& x : result.dqkv) x = round(x);
  return result;
}

}  // namespace llasa::test::reference
