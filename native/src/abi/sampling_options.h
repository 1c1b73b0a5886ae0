// Checks of llasa_sampling_options, shared by llasa_sample, llasa_sampling_distribution and
// llasa_rollout_generate.
#pragma once

#include "llasa_native.h"
#include "ops/sampling.h"

namespace llasa::abi {

// The caller's options with the defaults filled in, checked against a vocabulary.
llasa_sampling_options read_sampling_options(const llasa_sampling_options* given, int64_t vocab_size);

// As the op wants them.
SamplingParameters sampling_parameters(const llasa_sampling_options& options, int64_t vocab_size);

}  // namespace llasa::abi
