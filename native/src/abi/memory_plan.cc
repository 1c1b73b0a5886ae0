// The memory plan: options of every part read as their own functions read them.
#include "abi/guard.h"
#include "abi/options.h"
#include "abi/sampling_options.h"
#include "abi/speech.h"
#include "models/memory_planner.h"

using llasa::Status;
using llasa::abi::guarded;
using llasa::abi::read_options;
using llasa::abi::required;

namespace {

thread_local std::vector<llasa::MemoryPlan::Item> last_items;

template <typename T>
T read(const T* given, void (*init)(T*), const char* name) {
  T defaults;
  init(&defaults);
  return given == nullptr ? defaults : read_options(given, defaults, name);
}

void check_count(int64_t value, const char* name) {
  LLASA_CHECK(value >= 1 && value <= int64_t{1} << 31, Status::kArgument, "`options.%s`: %lld, expected >= 1",
              name, static_cast<long long>(value));
}

llasa::PlannedPolicy read_policy(const llasa_policy_options* given, const char* name) {
  const llasa_policy_options options = read(given, llasa_policy_options_init, name);
  return {llasa::abi::make_llama_config(options), llasa::abi::policy_storage(options), options.frozen == 1};
}

llasa::PlannedRun read_run(const llasa_memory_plan_options& o) {
  LLASA_CHECK(o.policy != nullptr || (o.lora == nullptr && o.trainer == nullptr && o.rollout == nullptr &&
                                      o.reference == nullptr),
              Status::kArgument,
              "`options.policy` is NULL, but `lora`, `trainer`, `rollout` or `reference` needs it");
  check_count(o.num_prompts, "num_prompts");
  check_count(o.samples_per_prompt, "samples_per_prompt");
  check_count(o.prompt_tokens, "prompt_tokens");
  check_count(o.response_tokens, "response_tokens");
  check_count(o.clips, "clips");
  check_count(o.text_tokens, "text_tokens");
  llasa::PlannedRun run;
  const llasa_head_options head = read(o.head, llasa_head_options_init, "options.head");
  if (o.reference != nullptr) run.reference = read_policy(o.reference, "options.reference");
  run.num_prompts = o.num_prompts;
  run.samples_per_prompt = o.samples_per_prompt;
  run.prompt_tokens = o.prompt_tokens;
  run.response_tokens = o.response_tokens;
  run.clips = o.clips;
  run.text_tokens = o.text_tokens;
  if (o.policy != nullptr) {
    run.policy = read_policy(o.policy, "options.policy");
    const int64_t longest = run.policy->config.max_positions;
    LLASA_CHECK(
        o.prompt_tokens + o.response_tokens <= longest, Status::kCapacity,
        "`options.prompt_tokens` + `options.response_tokens`: %lld, the policy's max_position_embeddings "
        "is %lld",
        static_cast<long long>(o.prompt_tokens + o.response_tokens), static_cast<long long>(longest));
    run.head = llasa::abi::make_head_options(head, run.policy->config);
  }
  if (o.lora != nullptr)
    run.lora = llasa::abi::make_lora_options(read(o.lora, llasa_lora_options_init, "options.lora"));
  if (o.trainer != nullptr)
    run.trainer =
        llasa::abi::make_trainer_options(read(o.trainer, llasa_trainer_options_init, "options.trainer"));
  if (o.rollout != nullptr) {
    const llasa_rollout_options r = read(o.rollout, llasa_rollout_options_init, "options.rollout");
    LLASA_CHECK(r.max_slots >= 1 && r.max_slots <= 65536, Status::kArgument,
                "`options.rollout.max_slots`: %d, expected 1..65536", r.max_slots);
    const int64_t vocab = run.policy->config.vocab_size;
    llasa_sampling_options sampling;
    llasa_sampling_options_init(&sampling);
    if (o.sampling != nullptr) sampling = *o.sampling;
    run.rollout = llasa::RolloutSizes{
        r.max_slots, r.max_sequence_tokens, r.readback_steps,
        llasa::abi::sampling_parameters(llasa::abi::read_sampling_options(&sampling, vocab), vocab)};
  }
  if (o.codec != nullptr) {
    const llasa_codec_options codec =
        read_options(o.codec, llasa::abi::default_xcodec2_options(), "options.codec");
    run.codec = llasa::abi::make_xcodec2_config(codec);
    run.codec_storage = llasa::abi::frozen_storage(codec.compute_dtype);
  }
  if (o.whisper != nullptr) {
    const llasa_whisper_options whisper =
        read_options(o.whisper, llasa::abi::default_whisper_options(), "options.whisper");
    run.whisper = llasa::abi::make_whisper_config(whisper);
    run.whisper_storage = llasa::abi::frozen_storage(whisper.compute_dtype);
  }
  return run;
}

}  // namespace

void llasa_memory_plan_options_init(llasa_memory_plan_options* options) {
  if (options == nullptr) return;
  *options = {};
  options->struct_size = sizeof *options;
  options->num_prompts = options->samples_per_prompt = 1;
  options->prompt_tokens = options->response_tokens = 1;
  options->clips = options->text_tokens = 1;
}

llasa_status llasa_plan_memory(const llasa_memory_plan_options* options, int64_t* out_count,
                               int64_t* out_peak_bytes) {
  return guarded(__func__, [&] {
    required(out_count, "out_count");
    required(out_peak_bytes, "out_peak_bytes");
    const llasa_memory_plan_options given =
        read(&required(options, "options"), llasa_memory_plan_options_init, "options");
    LLASA_CHECK(given.for_gpu <= 1, Status::kArgument, "`options.for_gpu`: %u, expected 0 or 1",
                given.for_gpu);
    llasa::MemoryPlan plan(given.for_gpu == 1);
    const llasa::PlannedRun run = read_run(given);  // what may be asked for depends on what it is planned for
    last_items.clear();
    llasa::plan_run(run, plan);
    last_items = plan.items();
    *out_count = static_cast<int64_t>(last_items.size());
    *out_peak_bytes = plan.peak_bytes();
  });
}

llasa_status llasa_memory_plan_item(int64_t index, llasa_memory_item* out_item) {
  return guarded(__func__, [&] {
    required(out_item, "out_item");
    LLASA_CHECK(index >= 0 && index < static_cast<int64_t>(last_items.size()), Status::kArgument,
                "`index`: %lld, this thread's last plan has %zu items", static_cast<long long>(index),
                last_items.size());
    const llasa::MemoryPlan::Item& item = last_items[static_cast<size_t>(index)];
    llasa::abi::write_struct(out_item,
                             {sizeof(llasa_memory_item), item.on_host ? 1u : 0u, item.stage.c_str(),
                              item.what.c_str(), item.bytes, item.in_turn ? 1u : 0u, 0},
                             "out_item");
  });
}
