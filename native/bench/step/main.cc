// llasa_<backend>_step_bench [--out FILE] [--SIZE N]...: SIZE is a member of StepSizes, as `--layers 1 --new-tokens 16`.
// The file is written anew after each phase.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <string>
#include <utility>

#include "step/step.h"

namespace {

using llasa::bench::StepPhase;
using llasa::bench::StepSizes;

int64_t* size_named(StepSizes& s, const std::string& name) {
  const std::pair<const char*, int64_t*> all[] = {{"--layers", &s.layers},
                                                  {"--shrink", &s.shrink},
                                                  {"--prompts", &s.prompts},
                                                  {"--samples", &s.samples},
                                                  {"--prompt-tokens", &s.prompt_tokens},
                                                  {"--new-tokens", &s.new_tokens},
                                                  {"--micro-batches", &s.micro_batches},
                                                  {"--micro-batch-tokens", &s.micro_batch_tokens},
                                                  {"--clips", &s.clips},
                                                  {"--codes", &s.codes},
                                                  {"--text-tokens", &s.text_tokens}};
  for (const auto& [known, size] : all) {
    if (name == known) return size;
  }
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  StepSizes sizes;
  std::string out;
  for (int i = 1; i + 1 < argc || i < argc; i += 2) {
    const std::string name = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
    if (name == "--out" && !value.empty()) {
      out = value;
      continue;
    }
    int64_t* size = size_named(sizes, name);
    char* end = nullptr;
    const long long number = std::strtoll(value.c_str(), &end, 10);
    const bool good =
        size != nullptr && !value.empty() && *end == '\0' && number >= (size == &sizes.layers ? 0 : 1);
    if (!good || (size == &sizes.shrink && 8 % number != 0)) {
      std::fprintf(stderr, "step_bench: `%s %s` is no size (see native/bench/step/step.h)\n", name.c_str(),
                   value.c_str());
      return 2;
    }
    *size = number;
  }
  try {
    std::vector<StepPhase> phases;
    llasa::bench::run_step(sizes, [&](const StepPhase& phase) {
      phases.push_back(phase);
      std::printf("%-20s %9.3f s, %9.3f s the first time; %.0f %s, %.1f TFLOP/s\n", phase.name.c_str(),
                  phase.seconds, phase.first_seconds, phase.units, phase.unit.c_str(),
                  phase.flops / phase.seconds * 1e-12);
      std::fflush(stdout);
      if (!out.empty()) std::ofstream(out) << llasa::bench::step_json(sizes, phases);
    });
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "step_bench: %s\n", error.what());
    return 1;
  }
}
