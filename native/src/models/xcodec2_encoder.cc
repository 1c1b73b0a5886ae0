#include "models/xcodec2_encoder.h"

#include "core/status.h"
#include "models/xcodec2_encoder_weights.h"

namespace llasa {

Xcodec2Encoder::Xcodec2Encoder(const Xcodec2Config& config, Stream& stream)
    : config_(config), stream_(stream) {
  declare_xcodec2_encoder(config_, weights_);
}

TensorTable& Xcodec2Encoder::allocated_weights() {
  if (weights_.data() == nullptr) weights_.allocate(stream_, "the codec's encoder");
  return weights_;
}

std::vector<int32_t> Xcodec2Encoder::encode(const float*, int64_t) {
  (void)config_;
  (void)stream_;
  fail(LLASA_ERR_STATE, "the codec's encoder is not implemented yet");
}

}  // namespace llasa
