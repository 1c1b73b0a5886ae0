// A whole training step of Llasa-1B's size with X-Codec2 and Whisper large-v3, on random weights, phase by phase through
// the C ABI: what a card is asked first. Any backend; with fewer layers and samples, the simulator as well.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace llasa::bench {

struct StepSizes {
  int64_t layers = 0;  // of every model; 0: as many as it has
  int64_t shrink = 1;  // 1, 2, 4 or 8: divides widths and vocabularies
  int64_t prompts = 8, samples = 16, prompt_tokens = 128, new_tokens = 256;
  int64_t micro_batches = 2, micro_batch_tokens = 16384;
  int64_t clips = 8, codes = 256, text_tokens = 64;
};

struct StepPhase {
  std::string name;
  double first_seconds = 0;  // of the first time, in which memory is taken and graphs are recorded
  double seconds = 0;        // of the second
  double units = 0;          // tokens, codes or clips of it
  std::string unit;
  double flops = 0;  // of matrix products, a multiply-add as two; 0: not counted
};

// Runs every phase twice and tells each as soon as it is known. Throws std::runtime_error naming what went wrong, also
// where a result is not finite or not of the size that was asked for.
void run_step(const StepSizes& sizes, const std::function<void(const StepPhase&)>& tell);

// The file's text: the device, sizes, and the phases so far.
std::string step_json(const StepSizes& sizes, const std::vector<StepPhase>& phases);

}  // namespace llasa::bench
