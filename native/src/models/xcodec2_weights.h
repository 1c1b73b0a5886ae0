// Parameters of X-Codec2 under the names of either checkpoint layout, and where the decoder's lie.
//
//   HF (transformers.Xcodec2Model)             original (HKUSTAudio/xcodec2)
//   decoder.fc                                 fc_post_a
//   decoder.embed                              generator.backbone.embed
//   decoder.prior_resnet_block{1,2}            generator.backbone.prior_net.{0,1}
//   decoder.layers.i.self_attn.{q,k,v}_proj    generator.backbone.transformers.i.att.c_attn = [q;k;v]
//   decoder.layers.i.self_attn.o_proj          generator.backbone.transformers.i.att.c_proj
//   decoder.layers.i.input_layernorm           generator.backbone.transformers.i.att_norm
//   decoder.layers.i.post_attention_layernorm  generator.backbone.transformers.i.ffn_norm
//   decoder.post_resnet_block{1,2}             generator.backbone.post_net.{0,1}
//   decoder.final_layer_norm                   generator.backbone.final_layer_norm
//   decoder.head.linear                        generator.head.out
//   quantizer.project_{in,out}, fc_encoder     generator.quantizer.project_{in,out}, fc_prior
//
// The rows of q and k are ordered for another pairing of the rotation in each layout. It makes no difference:
// scores do not change under a permutation common to q and k.
#pragma once

#include <string>
#include <vector>

#include "core/tensor_table.h"
#include "models/xcodec2_config.h"

namespace llasa {

// weight and bias of a layer; bias is NULL where there is none.
struct Affine {
  WeightView weight;
  const float* bias = nullptr;
};
struct NormAffine {
  const float* weight = nullptr;
  const float* bias = nullptr;
};

struct Xcodec2Resnet {
  NormAffine norm1, norm2;
  Affine conv1, conv2;
};

struct Xcodec2Layer {
  const float* attention_norm;
  WeightView qkv;  // [3A, C]
  WeightView out;  // [C, A]
  const float* ffn_norm;
  WeightView fc1;  // [F, C]
  WeightView fc2;  // [C, F]
};

struct Xcodec2DecoderWeights {
  Affine project_out, fc, embed;
  Xcodec2Resnet prior[2], post[2];
  std::vector<Xcodec2Layer> layers;
  NormAffine final_norm;
  Affine head;
};

// Declares what decoding needs; all required. The head stays f32 in any storage: it writes phases, in
// radians.
void declare_xcodec2_decoder(const Xcodec2Config& config, TensorTable& table);
// The same, found again once the table is allocated.
Xcodec2DecoderWeights find_xcodec2_decoder(const Xcodec2Config& config, const TensorTable& table);

// name.weight and name.bias of a table.
Affine find_affine(const TensorTable& table, const std::string& name, bool bias = true);
void declare_affine(TensorTable& table, const std::string& name, std::vector<int64_t> shape, bool bias = true,
                    bool optional = false);

}  // namespace llasa
