#include "models/llama_weights.h"

namespace llasa {

LlamaLayout::LlamaLayout(const LlamaConfig& config, TensorTable& table) {
  const int64_t C = config.hidden_size, F = config.intermediate_size;
  const int64_t q = config.query_size(), kv = config.kv_size();
  table.declare("model.embed_tokens.weight", {config.vocab_size, C});
  for (int64_t l = 0; l < config.num_layers; ++l) {
    const std::string prefix = "model.layers." + std::to_string(l) + ".";
    const std::string attention = prefix + "self_attn.", mlp = prefix + "mlp.";
    table.declare(attention + "q_proj.weight", {q, C});
    table.declare_adjacent(attention + "k_proj.weight", {kv, C});
    table.declare_adjacent(attention + "v_proj.weight", {kv, C});
    table.declare(attention + "o_proj.weight", {C, q});
    table.declare(mlp + "gate_proj.weight", {F, C});
    table.declare_adjacent(mlp + "up_proj.weight", {F, C});
    table.declare(mlp + "down_proj.weight", {C, F});
    table.declare(prefix + "input_layernorm.weight", {C});
    table.declare(prefix + "post_attention_layernorm.weight", {C});
    layers_.push_back(
        {table.find(attention + "q_proj.weight").offset, table.find(attention + "o_proj.weight").offset,
         table.find(mlp + "gate_proj.weight").offset, table.find(mlp + "down_proj.weight").offset,
         table.find(prefix + "input_layernorm.weight").offset,
         table.find(prefix + "post_attention_layernorm.weight").offset});
  }
  table.declare("model.norm.weight", {C});
  if (!config.tied) table.declare("lm_head.weight", {config.vocab_size, C});
  embedding_ = table.find("model.embed_tokens.weight").offset;
  final_norm_ = table.find("model.norm.weight").offset;
  head_ = config.tied ? embedding_ : table.find("lm_head.weight").offset;
}

std::vector<int64_t> LlamaLayout::units(const TensorTable& table) const {
  std::vector<int64_t> bounds{embedding_};
  for (const Offsets& o : layers_) bounds.push_back(o.qkv);
  bounds.push_back(final_norm_);
  bounds.push_back(table.count());
  return bounds;
}

}  // namespace llasa
