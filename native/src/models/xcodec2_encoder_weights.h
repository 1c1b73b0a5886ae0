// Parameters of X-Codec2's encoding half under the names of either checkpoint layout. All optional: a
// checkpoint that only decodes goes without.
//
//   HF                                            original
//   acoustic_encoder.conv1                        CodecEnc.conv_blocks.0
//   acoustic_encoder.block.i.res_unit{j}.snake1   CodecEnc.conv_blocks.{i+1}.block.{j-1}.block.0
//   ...res_unit{j}.conv1, snake2, conv2           ...block.1, block.2, block.3
//   acoustic_encoder.block.i.snake1, conv1        CodecEnc.conv_blocks.{i+1}.block.3, block.4
//   acoustic_encoder.snake1, conv2                CodecEnc.conv_final_block.0, .1
//   semantic_encoder.                             semantic_model.
//   semantic_adapter.conv{1,2,3,4}                SemanticEncoder_module.initial_conv,
//                                                 residual_blocks.{1,3}, final_conv
//   fc_encoder, quantizer.project_in              fc_prior, generator.quantizer.project_in
//
// The original layout stores the acoustic convolutions as weight_g, weight_v: weight = g v / |v| per output
// channel.
#pragma once

#include <string>
#include <vector>

#include "core/tensor_table.h"
#include "models/xcodec2_config.h"

namespace llasa {

// Names of one residual unit, or of the activation and convolution that end a block.
struct Xcodec2UnitNames {
  std::string snake1, conv1, snake2, conv2;
};
struct Xcodec2BlockNames {
  Xcodec2UnitNames units[3];
  std::string snake, conv;
};
struct Xcodec2EncoderNames {
  std::string conv_in, snake_out, conv_out;
  std::vector<Xcodec2BlockNames> blocks;
  std::string semantic;  // prefix of Wav2Vec2-BERT
  std::string adapter[4];
  std::string fc, project_in;
};
Xcodec2EncoderNames xcodec2_encoder_names(const Xcodec2Config& config);

void declare_xcodec2_encoder(const Xcodec2Config& config, TensorTable& table);

}  // namespace llasa
