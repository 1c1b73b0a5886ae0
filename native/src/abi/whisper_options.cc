#include "abi/options.h"

namespace llasa::abi {

llasa_whisper_options default_whisper_options() {
  llasa_whisper_options o{};
  o.struct_size = sizeof o;
  o.vocab_size = 51865;
  o.num_mel_bins = 80;
  o.d_model = 384;
  o.encoder_layers = 4;
  o.encoder_heads = 6;
  o.encoder_ffn_dim = 1536;
  o.decoder_layers = 4;
  o.decoder_heads = 6;
  o.decoder_ffn_dim = 1536;
  o.max_source_positions = 1500;
  o.max_target_positions = 448;
  o.eot_token = 50257;
  o.device = -1;
  o.cache_bytes = int64_t{4} << 30;
  return o;
}

namespace {

int64_t in_range(int32_t value, int32_t low, int32_t high, const char* field) {
  LLASA_CHECK(value >= low && value <= high, Status::kArgument, "`options.%s`: %d, expected %d..%d", field,
              value, low, high);
  return value;
}

void check_heads(int32_t heads, int32_t d_model, const char* field) {
  in_range(heads, 1, 1024, field);
  LLASA_CHECK(d_model % heads == 0, Status::kArgument, "`options.%s`: %d, expected a divisor of d_model (%d)",
              field, heads, d_model);
}

}  // namespace

WhisperConfig make_whisper_config(const llasa_whisper_options& o) {
  WhisperConfig c;
  c.vocab_size = in_range(o.vocab_size, 1, 1 << 24, "vocab_size");
  c.num_mel_bins = in_range(o.num_mel_bins, 1, 512, "num_mel_bins");
  c.d_model = in_range(o.d_model, 1, 1 << 16, "d_model");
  c.encoder_layers = in_range(o.encoder_layers, 0, 1024, "encoder_layers");
  c.encoder_heads = o.encoder_heads;
  check_heads(o.encoder_heads, o.d_model, "encoder_heads");
  c.encoder_ffn_dim = in_range(o.encoder_ffn_dim, 1, 1 << 20, "encoder_ffn_dim");
  c.decoder_layers = in_range(o.decoder_layers, 0, 1024, "decoder_layers");
  c.decoder_heads = o.decoder_heads;
  check_heads(o.decoder_heads, o.d_model, "decoder_heads");
  c.decoder_ffn_dim = in_range(o.decoder_ffn_dim, 1, 1 << 20, "decoder_ffn_dim");
  c.max_source_positions = in_range(o.max_source_positions, 1, 1 << 20, "max_source_positions");
  c.max_target_positions = in_range(o.max_target_positions, 1, 1 << 20, "max_target_positions");
  c.scale_embedding = in_range(o.scale_embedding, 0, 1, "scale_embedding") != 0;
  c.eot_token = static_cast<int32_t>(in_range(o.eot_token, 0, o.vocab_size - 1, "eot_token"));
  LLASA_CHECK(o.cache_bytes >= 1, Status::kArgument, "`options.cache_bytes`: %lld, expected >= 1",
              static_cast<long long>(o.cache_bytes));
  c.cache_bytes = o.cache_bytes;
  return c;
}

}  // namespace llasa::abi
