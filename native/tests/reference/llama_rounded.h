// LlamaForCausalLM with the gradient of its log-probs in double, with a hand to round whatever a plain low-precision
// version stores: activations, the residual stream among them, and their gradients. Sums are exact; so are logits, which
// are summed in f32 by versions that are not so plain, and gradients of weights. Exact{} makes it the oracle.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "llasa_native.h"
#include "reference/attention_rounded.h"

namespace llasa::test::reference {

using Matrix = std::vector<double>;

// Default rotations. One sequence after another is added, each by itself.
template <typename Round>
class RoundedLlama {
 public:
  RoundedLlama(const llasa_policy_options& options, std::map<std::string, Matrix> weights, Round round)
      : o_(options), w_(std::move(weights)), round_(round) {
    for (const auto& [name, values] : w_) gradients_[name].resize(values.size());
  }

  // Of every token from `prompt` on, appended to logprobs(); and the gradient of -weight times their sum.
  void add(const std::vector<int32_t>& tokens, size_t prompt, double weight) {
    T_ = tokens.size();
    const auto C = static_cast<size_t>(o_.hidden_size);
    const Matrix& embedding = w_.at(kEmbedding);
    Matrix x(T_ * C);
    for (size_t t = 0; t < T_; ++t) {
      for (size_t c = 0; c < C; ++c) x[t * C + c] = round_(embedding[static_cast<size_t>(tokens[t]) * C + c]);
    }
    layers_.assign(static_cast<size_t>(o_.num_layers), {});
    for (size_t l = 0; l < layers_.size(); ++l) x = forward(l, std::move(x));
    Matrix dx = head(tokens, prompt, weight, x);
    for (size_t l = layers_.size(); l-- > 0;) dx = backward(l, std::move(dx));
    for (size_t t = 0; t < T_; ++t) {
      for (size_t c = 0; c < C; ++c)
        gradients_[kEmbedding][static_cast<size_t>(tokens[t]) * C + c] += dx[t * C + c];
    }
  }

  const std::vector<double>& logprobs() const { return logprobs_; }
  const std::map<std::string, Matrix>& gradients() const { return gradients_; }

 private:
  static constexpr const char* kEmbedding = "model.embed_tokens.weight";
  struct Layer {
    Matrix x, h, out, middle, m, gate, up, act, inner;
    std::vector<float> qkv;
  };

  // y[t,n] = sum_k x[t,k] w[n,k].
  Matrix linear(const std::string& name, const Matrix& x, bool rounds = true) const {
    const Matrix& w = w_.at(name);
    const size_t K = x.size() / T_, N = w.size() / K;
    Matrix y(T_ * N);
    for (size_t t = 0; t < T_; ++t) {
      for (size_t n = 0; n < N; ++n) {
        double sum = 0;
        for (size_t k = 0; k < K; ++k) sum += x[t * K + k] * w[n * K + k];
        y[t * N + n] = rounds ? round_(sum) : sum;
      }
    }
    return y;
  }
  // dx of the same, and the weight's gradient.
  Matrix linear_backward(const std::string& name, const Matrix& x, const Matrix& dy) {
    const Matrix& w = w_.at(name);
    Matrix& dw = gradients_[name];
    const size_t K = x.size() / T_, N = w.size() / K;
    Matrix dx(T_ * K);
    for (size_t t = 0; t < T_; ++t) {
      for (size_t k = 0; k < K; ++k) {
        double sum = 0;
        for (size_t n = 0; n < N; ++n) {
          sum += dy[t * N + n] * w[n * K + k];
          dw[n * K + k] += dy[t * N + n] * x[t * K + k];
        }
        dx[t * K + k] = round_(sum);
      }
    }
    return dx;
  }

  double rstd(const Matrix& x, size_t t) const {
    const size_t C = x.size() / T_;
    double squares = 0;
    for (size_t c = 0; c < C; ++c) squares += x[t * C + c] * x[t * C + c];
    return 1 / std::sqrt(squares / static_cast<double>(C) + static_cast<double>(o_.rms_norm_eps));
  }
  // As transformers has it: normalised, rounded, times the gain.
  Matrix norm(const std::string& name, const Matrix& x) const {
    const Matrix& w = w_.at(name);
    Matrix y(x.size());
    for (size_t i = 0; i < x.size(); ++i)
      y[i] = round_(round_(x[i] * rstd(x, i / w.size())) * w[i % w.size()]);
    return y;
  }
  Matrix norm_backward(const std::string& name, const Matrix& x, const Matrix& dy) {
    const Matrix& w = w_.at(name);
    const size_t C = w.size();
    Matrix dx(x.size());
    for (size_t t = 0; t < T_; ++t) {
      const double r = rstd(x, t);
      double dot = 0;
      for (size_t c = 0; c < C; ++c) dot += w[c] * dy[t * C + c] * x[t * C + c];
      for (size_t c = 0; c < C; ++c) {
        const size_t i = t * C + c;
        dx[i] = round_(r * (w[c] * dy[i] - x[i] * r * r * dot / static_cast<double>(C)));
        gradients_[name][c] += dy[i] * x[i] * r;
      }
    }
    return dx;
  }

  // Queries and keys among rows of q, k, v; sign -1 turns back.
  void rotate(Matrix& qkv, double sign) const {
    const auto D = static_cast<size_t>(o_.head_dim),
               turned = static_cast<size_t>(o_.num_heads + o_.num_kv_heads);
    for (size_t t = 0; t < T_; ++t) {
      for (size_t head = 0; head < turned; ++head) {
        for (size_t i = 0; i < D / 2; ++i) {
          const double angle = sign * static_cast<double>(t) /
                               std::pow(o_.rope_theta, 2 * static_cast<double>(i) / static_cast<double>(D));
          double& a = qkv[t * qkv.size() / T_ + head * D + i];
          double& b = qkv[t * qkv.size() / T_ + head * D + i + D / 2];
          const double low = a * std::cos(angle) - b * std::sin(angle);
          b = round_(b * std::cos(angle) + a * std::sin(angle));
          a = round_(low);
        }
      }
    }
  }
  AttentionShape shape() const { return {o_.num_heads, o_.num_kv_heads, o_.head_dim, true}; }
  RoundedAttention attend(const std::vector<float>& qkv, const std::vector<float>& dout) const {
    std::vector<std::vector<int64_t>> visible(T_);
    for (size_t t = 0; t < T_; ++t) {
      for (size_t u = 0; u <= t; ++u) visible[t].push_back(static_cast<int64_t>(u));
    }
    return attention(qkv, dout, visible, shape(), 1 / std::sqrt(static_cast<double>(o_.head_dim)), round_);
  }

  static std::string name(size_t l, const char* tensor) {
    return "model.layers." + std::to_string(l) + "." + tensor + ".weight";
  }
  static std::vector<float> floats(const Matrix& x) { return {x.begin(), x.end()}; }
  Matrix sum(const Matrix& a, const Matrix& b) const {
    Matrix y(a.size());
    for (size_t i = 0; i < a.size(); ++i) y[i] = round_(a[i] + b[i]);
    return y;
  }
  // Rows of several matrices side by side, and the columns of one of them again.
  Matrix beside(const std::vector<Matrix>& parts) const {
    Matrix all;
    for (size_t t = 0; t < T_; ++t) {
      for (const Matrix& part : parts) {
        const auto width = static_cast<ptrdiff_t>(part.size() / T_), row = static_cast<ptrdiff_t>(t) * width;
        all.insert(all.end(), part.begin() + row, part.begin() + row + width);
      }
    }
    return all;
  }
  Matrix columns(const Matrix& all, int64_t begin, int64_t end) const {
    Matrix part;
    for (size_t t = 0; t < T_; ++t) {
      const auto row = all.begin() + static_cast<ptrdiff_t>(t * all.size() / T_);
      part.insert(part.end(), row + begin, row + end);
    }
    return part;
  }

  Matrix forward(size_t l, Matrix x) {
    Layer& a = layers_[l];
    a.x = std::move(x);
    a.h = norm(name(l, "input_layernorm"), a.x);
    Matrix qkv = beside({linear(name(l, "self_attn.q_proj"), a.h), linear(name(l, "self_attn.k_proj"), a.h),
                         linear(name(l, "self_attn.v_proj"), a.h)});
    rotate(qkv, 1);
    a.qkv = floats(qkv);
    a.out = attend(a.qkv, std::vector<float>(T_ * static_cast<size_t>(shape().H * shape().D))).out;
    a.middle = sum(a.x, linear(name(l, "self_attn.o_proj"), a.out));
    a.m = norm(name(l, "post_attention_layernorm"), a.middle);
    a.gate = linear(name(l, "mlp.gate_proj"), a.m);
    a.up = linear(name(l, "mlp.up_proj"), a.m);
    for (size_t i = 0; i < a.gate.size(); ++i) {
      a.act.push_back(round_(a.gate[i] / (1 + std::exp(-a.gate[i]))));
      a.inner.push_back(round_(a.act[i] * a.up[i]));
    }
    return sum(a.middle, linear(name(l, "mlp.down_proj"), a.inner));
  }

  Matrix head(const std::vector<int32_t>& tokens, size_t prompt, double weight, const Matrix& x) {
    const std::string matrix = o_.tie_word_embeddings != 0 ? kEmbedding : "lm_head.weight";
    const Matrix h = norm("model.norm.weight", x);
    Matrix logits = linear(matrix, h, false);
    const size_t V = logits.size() / T_;
    for (size_t t = 0; t < T_; ++t) {
      const auto row = logits.begin() + static_cast<ptrdiff_t>(t * V);
      double total = 0;
      for (size_t v = 0; v < V; ++v) total += std::exp(row[static_cast<ptrdiff_t>(v)]);
      const bool scored = t + 1 < T_ && t + 1 >= prompt;
      const auto target = scored ? static_cast<size_t>(tokens[t + 1]) : V;
      if (scored) logprobs_.push_back(row[static_cast<ptrdiff_t>(target)] - std::log(total));
      for (size_t v = 0; v < V; ++v) {
        double& logit = row[static_cast<ptrdiff_t>(v)];
        logit = scored ? round_(weight * (std::exp(logit) / total - (v == target ? 1 : 0))) : 0.0;
      }
    }
    return norm_backward("model.norm.weight", x, linear_backward(matrix, h, logits));
  }

  Matrix backward(size_t l, Matrix dx) {
    const Layer& a = layers_[l];
    const Matrix dinner = linear_backward(name(l, "mlp.down_proj"), a.inner, dx);
    Matrix dgate(dinner.size()), dup(dinner.size());
    for (size_t i = 0; i < dinner.size(); ++i) {
      const double s = 1 / (1 + std::exp(-a.gate[i]));
      dgate[i] = round_(round_(dinner[i] * a.up[i]) * s * (1 + a.gate[i] * (1 - s)));
      dup[i] = round_(dinner[i] * a.act[i]);
    }
    const Matrix dm = sum(linear_backward(name(l, "mlp.gate_proj"), a.m, dgate),
                          linear_backward(name(l, "mlp.up_proj"), a.m, dup));
    dx = sum(dx, norm_backward(name(l, "post_attention_layernorm"), a.middle, dm));
    const Matrix dout = linear_backward(name(l, "self_attn.o_proj"), a.out, dx);
    Matrix dqkv = attend(a.qkv, floats(dout)).dqkv;
    rotate(dqkv, -1);
    const int64_t q = shape().H * shape().D, kv = shape().G * shape().D;
    Matrix dh = linear_backward(name(l, "self_attn.q_proj"), a.h, columns(dqkv, 0, q));
    dh = sum(dh, linear_backward(name(l, "self_attn.k_proj"), a.h, columns(dqkv, q, q + kv)));
    dh = sum(dh, linear_backward(name(l, "self_attn.v_proj"), a.h, columns(dqkv, q + kv, q + 2 * kv)));
    return sum(dx, norm_backward(name(l, "input_layernorm"), a.x, dh));
  }

  llasa_policy_options o_;
  std::map<std::string, Matrix> w_, gradients_;
  Round round_;
  size_t T_ = 0;
  std::vector<Layer> layers_;
  std::vector<double> logprobs_;
};

}  // namespace llasa::test::reference
