// Conversions: bound by memory.
#include "core/half.h"
#include "kernel_bench.h"
#include "ops/cast.h"
#include "shapes.h"

namespace llasa::bench {
namespace {

// What an optimiser step of `count` parameters adds, and what a product of `count` activations does.
void narrow(const std::string& name, int64_t count) {
  const double bytes = 6.0 * static_cast<double>(count);
  add("cast/narrow_to_bf16/" + name, {bytes, 0, bytes}, [=](Kernel& k) {
    const float* x = k.random(count, 1);
    Bf16* y = k.upload(std::vector<Bf16>(static_cast<size_t>(count)));
    const auto run = [&] { narrow_to_bf16(k.stream(), x, count, y, 1, count); };
    run();
    for (const int64_t i : {int64_t{0}, count / 3, count - 1}) {
      k.ensure(k.read(y + i, 1)[0].bits == float_to_bf16(noise(1, i)), "not rounded to nearest even");
    }
    k.time(run);
  });
}

const bool registered = [] {
  for (const PolicyShape& s : kPolicies) {
    narrow(std::string(s.name) + "/activations", s.train * s.C);
    narrow(std::string(s.name) + "/layer", s.C * ((2 * s.H + 2 * s.G) * s.D + 3 * s.F));
  }
  return true;
}();

}  // namespace
}  // namespace llasa::bench
