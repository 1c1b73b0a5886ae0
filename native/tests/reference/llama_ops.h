// The ops of a Llama layer written for reading, on any number type: the oracle of the fast ones. With
// Number = std::complex<double> and an input perturbed by i h, imag(result) / h is the exact derivative by
// that input (complex-step differentiation: no subtraction, so h = 1e-30 loses nothing).
#pragma once

#include <cmath>
#include <complex>
#include <cstdint>
#include <vector>

#include "ops/attention.h"

namespace llasa::test::reference {

template <typename Number>
using Array = std::vector<Number>;

template <typename Number>
Number rmsnorm_dot(const Array<Number>& x, const Array<Number>& weight, double eps,
                   const std::vector<float>& dy) {
  const size_t C = weight.size();
  Number total{};
  for (size_t t = 0; t < x.size() / C; ++t) {
    Number squares{};
    for (size_t c = 0; c < C; ++c) squares += x[t * C + c] * x[t * C + c];
    const Number rstd = 1.0 / std::sqrt(squares / static_cast<double>(C) + eps);
    for (size_t c = 0; c < C; ++c) {
      total += x[t * C + c] * rstd * weight[c] * static_cast<double>(dy[t * C + c]);
    }
  }
  return total;
}

template <typename Number>
Number swiglu(Number gate, Number up) {
  return gate / (1.0 + std::exp(-gate)) * up;
}

// Rows each row sees, itself last.
inline std::vector<std::vector<int64_t>> visible_rows(const std::vector<AttentionGroup>& groups, int64_t T,
                                                      bool prefix_queries) {
  std::vector<std::vector<int64_t>> visible(static_cast<size_t>(T));
  for (const AttentionGroup& group : groups) {
    for (int64_t t = group.prefix.begin; prefix_queries && t < group.prefix.end; ++t) {
      for (int64_t u = group.prefix.begin; u <= t; ++u) visible[static_cast<size_t>(t)].push_back(u);
    }
    for (const RowRange& part : group.parts) {
      for (int64_t t = part.begin; t < part.end; ++t) {
        auto& rows = visible[static_cast<size_t>(t)];
        for (int64_t u = group.prefix.begin; u < group.prefix.end; ++u) rows.push_back(u);
        for (int64_t u = part.begin; u <= t; ++u) rows.push_back(u);
      }
    }
  }
  return visible;
}

// out [T, H D] of qkv [T, (H+2G) D]; lse [T,H].
template <typename Number>
void attention(const Array<Number>& qkv, const std::vector<AttentionGroup>& groups,
               const AttentionShape& shape, int64_t T, Array<Number>& out, Array<Number>& lse) {
  const int64_t H = shape.H, G = shape.G, D = shape.D, R = shape.row();
  out.assign(static_cast<size_t>(T * H * D), Number{});
  lse.assign(static_cast<size_t>(T * H), Number{});
  const auto at = [&](int64_t t, int64_t head, int64_t d) {
    return qkv[static_cast<size_t>(t * R + head * D + d)];
  };
  const auto visible = visible_rows(groups, T, shape.prefix_queries);
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t h = 0; h < H; ++h) {
      const int64_t g = h / (H / G);
      Number sum{};
      Array<Number> weighted(static_cast<size_t>(D), Number{});
      for (int64_t u : visible[static_cast<size_t>(t)]) {
        Number score{};
        for (int64_t d = 0; d < D; ++d) score += at(t, h, d) * at(u, H + g, d);
        const Number e = std::exp(score / std::sqrt(static_cast<double>(D)));
        sum += e;
        for (int64_t d = 0; d < D; ++d) weighted[static_cast<size_t>(d)] += e * at(u, H + G + g, d);
      }
      if (visible[static_cast<size_t>(t)].empty()) continue;
      lse[static_cast<size_t>(t * H + h)] = std::log(sum);
      for (int64_t d = 0; d < D; ++d) {
        out[static_cast<size_t>((t * H + h) * D + d)] = weighted[static_cast<size_t>(d)] / sum;
      }
    }
  }
}

// Log-prob of the target and entropy of softmax(logits * inverse_temperature).
template <typename Number>
void logprob(const Array<Number>& logits, int64_t target, double inverse_temperature, Number& logp,
             Number& entropy) {
  Number sum{}, weighted{};
  for (const Number& logit : logits) {
    const Number z = logit * inverse_temperature;
    sum += std::exp(z);
    weighted += std::exp(z) * z;
  }
  logp = logits[static_cast<size_t>(target)] * inverse_temperature - std::log(sum);
  entropy = std::log(sum) - weighted / sum;
}

// Derivative of f (an array of complex to complex) by input i.
template <typename F>
double complex_step(const std::vector<float>& input, size_t i, F&& f) {
  constexpr double h = 1e-30;
  Array<std::complex<double>> perturbed(input.begin(), input.end());
  perturbed[i] += std::complex<double>(0.0, h);
  return std::imag(f(perturbed)) / h;
}

}  // namespace llasa::test::reference
