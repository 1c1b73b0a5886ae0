// Between two tokens of the decode loop: a few words per row, so what is measured is the cost of a launch.
#include "kernel_bench.h"
#include "ops/decode_loop.h"

namespace llasa::bench {
namespace {

void advance(int64_t T) {
  // Read: the draw (12), progress; written: the record, progress, id, position, rows of both kinds. And the
  // progress put back before each call, or the record would have to be as long as the clock runs.
  const auto bytes =
      static_cast<double>(T) * (12 + 4 * 12 + 12 + 4 + 4 + 2 * sizeof(DecodeRow) + 2 * sizeof(SampleRow));
  add("decode_loop/decode_advance/" + std::to_string(T) + "_rows", {bytes, 0, bytes}, [=](Kernel& k) {
    const auto count = static_cast<size_t>(T);
    std::vector<int32_t> drawn(count);
    for (size_t t = 0; t < count; ++t) drawn[t] = static_cast<int32_t>(t % 1000);
    const int32_t* ids = k.upload(drawn);
    const float *logprobs = k.random(T, 1), *draw_logprobs = k.random(T, 2);
    const DecodeProgress* start = k.upload(std::vector<DecodeProgress>(count, {1 << 20, 3, 0}));
    const DecodeState state{k.upload(drawn),
                            k.upload(std::vector<int32_t>(count, 10)),
                            k.upload(std::vector<DecodeRow>(count, {0, 0, 9, 1})),
                            k.upload(std::vector<SampleRow>(count)),
                            k.upload(std::vector<DecodeProgress>(count)),
                            k.upload(std::vector<DrawnToken>(count))};
    const auto run = [&] {
      copy_on_device(k.stream(), state.progress, start, T * static_cast<int64_t>(sizeof(DecodeProgress)));
      decode_advance(k.stream(), state, {-1, -1}, ids, logprobs, draw_logprobs, T);
    };
    run();
    const int64_t t = T - 1;
    const DrawnToken last = k.read(state.record + t, 1)[0];
    k.ensure(last.id == drawn[static_cast<size_t>(t)] && last.logprob == noise(1, t),
             "another draw recorded");
    k.ensure(k.read(state.positions + t, 1)[0] == 11 && k.read(state.progress + t, 1)[0].steps == 1,
             "the row did not move on by one place");
    k.time(run);
  });
}

const bool registered = [] {
  for (const int64_t T : {1, 16, 128}) advance(T);
  return true;
}();

}  // namespace
}  // namespace llasa::bench
