// LlamaForCausalLM without its speed: plain loops in double over named f32 tensors, default rotations. The
// oracle of decoding, independent of every op.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "llasa_native.h"

namespace llasa::test {

using Vector = std::vector<double>;
using Weights = std::map<std::string, std::vector<float>>;

inline Vector matvec(const std::vector<float>& weight, const Vector& x) {
  const size_t columns = x.size(), rows = weight.size() / columns;
  Vector y(rows, 0.0);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) y[r] += static_cast<double>(weight[r * columns + c]) * x[c];
  }
  return y;
}

inline Vector rms_normed(const Vector& x, const std::vector<float>& weight, double eps) {
  double squares = 0;
  for (double v : x) squares += v * v;
  const double rstd = 1 / std::sqrt(squares / static_cast<double>(x.size()) + eps);
  Vector y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] * rstd * static_cast<double>(weight[i]);
  return y;
}

inline void rotate(Vector& x, size_t head_dim, double position, double theta) {
  for (size_t head = 0; head < x.size(); head += head_dim) {
    for (size_t i = 0; i < head_dim / 2; ++i) {
      const double angle =
          position / std::pow(theta, 2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
      double& a = x[head + i];
      double& b = x[head + i + head_dim / 2];
      const double rotated = a * std::cos(angle) - b * std::sin(angle);
      b = b * std::cos(angle) + a * std::sin(angle);
      a = rotated;
    }
  }
}

// Logits of every position, [tokens][V].
inline std::vector<Vector> reference_llama(const llasa_policy_options& o, const Weights& w,
                                           const std::vector<int32_t>& tokens) {
  const auto C = static_cast<size_t>(o.hidden_size), H = static_cast<size_t>(o.num_heads);
  const auto G = static_cast<size_t>(o.num_kv_heads), D = static_cast<size_t>(o.head_dim);
  const double eps = static_cast<double>(o.rms_norm_eps);
  std::vector<Vector> x;
  const std::vector<float>& embedding = w.at("model.embed_tokens.weight");
  for (int32_t id : tokens) {
    const auto begin = embedding.begin() + static_cast<ptrdiff_t>(static_cast<size_t>(id) * C);
    x.emplace_back(begin, begin + static_cast<ptrdiff_t>(C));
  }
  for (int32_t l = 0; l < o.num_layers; ++l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".";
    std::vector<Vector> keys, values;
    for (size_t t = 0; t < x.size(); ++t) {
      const Vector h = rms_normed(x[t], w.at(layer + "input_layernorm.weight"), eps);
      Vector q = matvec(w.at(layer + "self_attn.q_proj.weight"), h);
      Vector k = matvec(w.at(layer + "self_attn.k_proj.weight"), h);
      rotate(q, D, static_cast<double>(t), o.rope_theta);
      rotate(k, D, static_cast<double>(t), o.rope_theta);
      keys.push_back(k);
      values.push_back(matvec(w.at(layer + "self_attn.v_proj.weight"), h));
      Vector attended(H * D, 0.0);
      for (size_t head = 0; head < H; ++head) {
        const size_t g = head / (H / G);
        Vector p;
        double max = -1e300, sum = 0;
        for (size_t u = 0; u <= t; ++u) {
          double dot = 0;
          for (size_t d = 0; d < D; ++d) dot += q[head * D + d] * keys[u][g * D + d];
          p.push_back(dot / std::sqrt(static_cast<double>(D)));
          max = std::max(max, p.back());
        }
        for (double& v : p) sum += v = std::exp(v - max);
        for (size_t u = 0; u <= t; ++u) {
          for (size_t d = 0; d < D; ++d) attended[head * D + d] += p[u] / sum * values[u][g * D + d];
        }
      }
      const Vector projected = matvec(w.at(layer + "self_attn.o_proj.weight"), attended);
      for (size_t c = 0; c < C; ++c) x[t][c] += projected[c];
      const Vector m = rms_normed(x[t], w.at(layer + "post_attention_layernorm.weight"), eps);
      Vector gate = matvec(w.at(layer + "mlp.gate_proj.weight"), m);
      const Vector up = matvec(w.at(layer + "mlp.up_proj.weight"), m);
      for (size_t f = 0; f < gate.size(); ++f) gate[f] = gate[f] / (1 + std::exp(-gate[f])) * up[f];
      const Vector down = matvec(w.at(layer + "mlp.down_proj.weight"), gate);
      for (size_t c = 0; c < C; ++c) x[t][c] += down[c];
    }
  }
  std::vector<Vector> logits;
  for (const Vector& v : x) {
    logits.push_back(matvec(w.at(o.tie_word_embeddings != 0 ? "model.embed_tokens.weight" : "lm_head.weight"),
                            rms_normed(v, w.at("model.norm.weight"), eps)));
  }
  return logits;
}

}  // namespace llasa::test
