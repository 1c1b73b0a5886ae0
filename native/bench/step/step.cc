#include "step/step.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <random>
#include <stdexcept>

#include "llasa_native.h"

namespace llasa::bench {

namespace {

void check(llasa_status status) {
  if (status != LLASA_OK) throw std::runtime_error(llasa_last_error());
}

template <typename T>
struct Destroy {
  void (*destroy)(T*);
  void operator()(T* handle) const { destroy(handle); }
};
template <typename T>
using Owned = std::unique_ptr<T, Destroy<T>>;

template <typename T, typename Options>
Owned<T> create(llasa_status (*make)(const Options*, T**), const Options& options, void (*destroy)(T*)) {
  T* handle = nullptr;
  check(make(&options, &handle));
  return Owned<T>(handle, {destroy});
}

// Normal numbers of deviation 0.02, of which a model's tensors are cut one behind another: made once, and again from
// their begin when they run out, at a place that no width divides.
class RandomWeights {
 public:
  RandomWeights() : values_(kPeriod) {
    std::mt19937 generator(1);
    std::normal_distribution<float> normal(0.0f, 0.02f);
    for (float& v : values_) v = normal(generator);
  }

  template <typename T>
  void set_all(T* handle, llasa_status (*count)(T*, int64_t*),
               llasa_status (*info)(T*, int64_t, llasa_tensor_info*),
               llasa_status (*set)(T*, const char*, llasa_dtype, const int64_t*, int32_t, const void*)) {
    int64_t tensors = 0;
    check(count(handle, &tensors));
    std::vector<float> tensor;
    for (int64_t i = 0; i < tensors; ++i) {
      llasa_tensor_info spec{};
      spec.struct_size = sizeof spec;
      check(info(handle, i, &spec));
      if (spec.is_optional != 0) continue;
      int64_t size = 1;
      for (int32_t d = 0; d < spec.rank; ++d) size *= spec.shape[d];
      tensor.resize(static_cast<size_t>(size));
      const bool is_bias = std::string(spec.name).ends_with("bias");
      if (spec.rank < 2)
        std::fill(tensor.begin(), tensor.end(), is_bias ? 0.0f : 1.0f);
      else
        cut(tensor);
      check(set(handle, spec.name, LLASA_F32, spec.shape, spec.rank, tensor.data()));
    }
  }

 private:
  static constexpr size_t kPeriod = (size_t{1} << 22) - 3;

  void cut(std::vector<float>& tensor) {
    for (size_t filled = 0; filled < tensor.size();) {
      const size_t n = std::min(tensor.size() - filled, kPeriod - at_);
      std::copy_n(values_.begin() + static_cast<ptrdiff_t>(at_), n,
                  tensor.begin() + static_cast<ptrdiff_t>(filled));
      filled += n;
      at_ = (at_ + n) % kPeriod;
    }
  }

  std::vector<float> values_;
  size_t at_ = 0;
};

StepPhase measure(const std::string& name, double units, const std::string& unit, double flops,
                  const std::function<void()>& work) {
  StepPhase phase{name, 0, 0, units, unit, flops};
  for (double* seconds : {&phase.first_seconds, &phase.seconds}) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    *seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  return phase;
}

void expect_finite(const std::vector<float>& values, const char* what) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i]))
      throw std::runtime_error(std::string(what) + " " + std::to_string(i) + " is not finite");
  }
}

int32_t narrow(int64_t value) {
  return static_cast<int32_t>(value);
}

// Llasa's ids: codes behind the vocabulary of text, and the one that ends speech a little before them.
struct Ids {
  int32_t text, end, first_code, past_codes;
};
Ids ids_of(const StepSizes& s) {
  const int64_t text = 128256 / s.shrink, codes = 65536 / s.shrink;
  return {narrow(text), narrow(text + 5), narrow(text + 8), narrow(text + 8 + codes)};
}

Owned<llasa_policy> make_policy(const StepSizes& s, RandomWeights& weights) {
  llasa_policy_options o;
  llasa_policy_options_init(&o);
  o.vocab_size = ids_of(s).past_codes;
  o.hidden_size = narrow(2048 / s.shrink);
  o.intermediate_size = narrow(8192 / s.shrink);
  o.num_layers = narrow(s.layers > 0 ? s.layers : 16);
  o.num_heads = narrow(32 / s.shrink);
  o.num_kv_heads = narrow(8 / s.shrink);
  o.head_dim = 64;
  o.max_position_embeddings = narrow(s.prompt_tokens + s.new_tokens + 1);
  o.tie_word_embeddings = 1;
  o.rope_theta = 5e5;
  o.compute_dtype = LLASA_BF16;
  auto policy = create(llasa_policy_create, o, llasa_policy_destroy);
  weights.set_all(policy.get(), llasa_policy_tensor_count, llasa_policy_tensor_info, llasa_policy_set_tensor);
  return policy;
}

// Of one token through layers and head, forward; attention left out.
double token_flops(const StepSizes& s) {
  const double C = static_cast<double>(2048 / s.shrink),
               layers = static_cast<double>(s.layers > 0 ? s.layers : 16);
  const double q = static_cast<double>(32 / s.shrink * 64), kv = static_cast<double>(8 / s.shrink * 64);
  return 2 *
         (layers * (C * (2 * q + 2 * kv) + 3 * C * 4 * C) + C * static_cast<double>(65536 / s.shrink + 1));
}

StepPhase draw(const StepSizes& s, llasa_policy* policy) {
  const Ids ids = ids_of(s);
  llasa_rollout_options o;
  llasa_rollout_options_init(&o);
  o.max_slots = narrow(s.prompts * s.samples);
  llasa_rollout* made = nullptr;
  check(llasa_rollout_create(policy, &o, &made));
  const Owned<llasa_rollout> rollout(made, {llasa_rollout_destroy});
  llasa_sampling_options sampling;
  llasa_sampling_options_init(&sampling);
  sampling.temperature = 0.8f;
  sampling.top_p = 0.9f;
  sampling.max_new_tokens = narrow(s.new_tokens);
  sampling.restrict_start = ids.first_code;
  sampling.restrict_end = ids.past_codes;
  sampling.restrict_extra = ids.end;
  std::vector<int64_t> offsets{0};
  std::vector<int32_t> prompts;
  for (int64_t p = 0; p < s.prompts; ++p) {
    for (int64_t t = 0; t < s.prompt_tokens; ++t)
      prompts.push_back(narrow((p * 7919 + t * 104729) % ids.text));
    offsets.push_back(static_cast<int64_t>(prompts.size()));
  }
  const auto B = static_cast<size_t>(s.prompts * s.samples), n = static_cast<size_t>(s.new_tokens);
  std::vector<int32_t> tokens(B * n), lengths(B), reasons(B);
  std::vector<float> logprobs(B * n);
  llasa_rollout_request request{};
  request.struct_size = sizeof request;
  request.samples_per_prompt = narrow(s.samples);
  request.num_prompts = s.prompts;
  request.prompt_offsets = offsets.data();
  request.prompt_ids = prompts.data();
  llasa_rollout_result result{};
  result.struct_size = sizeof result;
  result.tokens = tokens.data();
  result.logprobs = logprobs.data();
  result.lengths = lengths.data();
  result.finish_reasons = reasons.data();
  const double drawn = static_cast<double>(B * n);
  return measure("rollout", drawn, "tokens", token_flops(s) * drawn, [&] {
    check(llasa_rollout_generate(rollout.get(), &sampling, &request, &result));
    expect_finite(logprobs, "log-prob");
  });
}

// Sequences of a prompt and a response, as many as fill the micro-batches.
StepPhase train(const StepSizes& s, llasa_policy* policy) {
  const Ids ids = ids_of(s);
  llasa_trainer_options o;
  llasa_trainer_options_init(&o);
  o.micro_batch_tokens = s.micro_batch_tokens;
  o.recompute = 1;
  llasa_trainer* made = nullptr;
  check(llasa_trainer_create(policy, &o, &made));
  const Owned<llasa_trainer> trainer(made, {llasa_trainer_destroy});
  const int64_t length = s.prompt_tokens + s.new_tokens;
  if (length > s.micro_batch_tokens) throw std::runtime_error("a sequence is longer than a micro-batch");
  const int64_t sequences = s.micro_batch_tokens / length * s.micro_batches;
  std::vector<int64_t> offsets{0}, prompt_lengths;
  std::vector<int32_t> tokens;
  for (int64_t b = 0; b < sequences; ++b) {
    for (int64_t t = 0; t < length; ++t) {
      const bool is_prompt = t < s.prompt_tokens;
      // The first token tells prompts apart: none is shared, so that a micro-batch has all its rows.
      const int64_t any = b * 7919 + t * 104729;
      tokens.push_back(
          narrow(is_prompt ? any % ids.text : ids.first_code + any % (ids.past_codes - ids.first_code)));
    }
    offsets.push_back(static_cast<int64_t>(tokens.size()));
    prompt_lengths.push_back(s.prompt_tokens);
  }
  const auto N = static_cast<size_t>(sequences * s.new_tokens);
  const std::vector<float> advantages(N, 0.5f), weights(N, 1.0f / static_cast<float>(N));
  llasa_token_batch batch{};
  batch.struct_size = sizeof batch;
  batch.num_sequences = sequences;
  batch.offsets = offsets.data();
  batch.token_ids = tokens.data();
  batch.prompt_lengths = prompt_lengths.data();
  llasa_head_options head;
  llasa_head_options_init(&head);
  head.restrict_start = ids.first_code;
  head.restrict_end = ids.past_codes;
  head.restrict_extra = ids.end;
  llasa_loss_options loss;
  llasa_loss_options_init(&loss);
  llasa_token_terms terms{};
  terms.struct_size = sizeof terms;
  terms.advantages = advantages.data();
  terms.policy_weights = weights.data();
  const double rows = static_cast<double>(tokens.size());
  return measure("gradient and update", rows, "tokens", 4 * token_flops(s) * rows, [&] {
    llasa_loss_stats stats{};
    stats.struct_size = sizeof stats;
    check(llasa_trainer_accumulate(trainer.get(), &batch, &head, &loss, &terms, nullptr, nullptr, nullptr,
                                   &stats));
    llasa_step_stats step{};
    step.struct_size = sizeof step;
    check(llasa_trainer_step(trainer.get(), 1e-6f, &step));
    if (step.skipped != 0 || !std::isfinite(step.grad_norm) || !(step.grad_norm > 0))
      throw std::runtime_error("the gradient's norm is " + std::to_string(step.grad_norm));
  });
}

Owned<llasa_codec> make_codec(const StepSizes& s, RandomWeights& weights) {
  llasa_codec_options o;
  llasa_codec_options_init(&o);
  o.hidden_size = narrow(1024 / s.shrink);
  o.intermediate_size = narrow(4096 / s.shrink);
  o.num_layers = narrow(s.layers > 0 ? s.layers : 12);
  o.num_heads = narrow(16 / s.shrink);
  o.head_dim = 64;
  o.quantization_dim = narrow(2048 / s.shrink);
  o.semantic_hidden_size = narrow(1024 / s.shrink);
  o.compute_dtype = LLASA_BF16;
  auto codec = create(llasa_codec_create, o, llasa_codec_destroy);
  weights.set_all(codec.get(), llasa_codec_tensor_count, llasa_codec_tensor_info, llasa_codec_set_tensor);
  return codec;
}

StepPhase vocode(const StepSizes& s, llasa_codec* codec, std::vector<float>& waveforms) {
  int32_t hop = 0, values = 0;
  check(llasa_codec_geometry(codec, &hop, &values));
  std::vector<int64_t> offsets{0};
  for (int64_t b = 0; b < s.clips; ++b) offsets.push_back(offsets.back() + s.codes);
  std::vector<int32_t> codes;
  for (int64_t i = 0; i < offsets.back(); ++i) codes.push_back(narrow(i * 104729 % values));
  waveforms.resize(static_cast<size_t>(offsets.back() * hop));
  return measure("vocoder", static_cast<double>(codes.size()), "codes", 0, [&] {
    check(llasa_vocode(codec, s.clips, offsets.data(), codes.data(), waveforms.data()));
    expect_finite(waveforms, "sample of sound");
  });
}

Owned<llasa_whisper> make_whisper(const StepSizes& s, RandomWeights& weights) {
  llasa_whisper_options o;
  llasa_whisper_options_init(&o);
  o.vocab_size = narrow(51866 / s.shrink);
  o.num_mel_bins = 128;
  o.d_model = narrow(1280 / s.shrink / 64 * 64);
  o.encoder_layers = o.decoder_layers = narrow(s.layers > 0 ? s.layers : 32);
  o.encoder_heads = o.decoder_heads = o.d_model / 64;
  o.encoder_ffn_dim = o.decoder_ffn_dim = 4 * o.d_model;
  o.max_source_positions = narrow(1500 / s.shrink);
  o.max_target_positions = 448;
  o.eot_token = o.vocab_size - 1;
  o.compute_dtype = LLASA_BF16;
  auto whisper = create(llasa_whisper_create, o, llasa_whisper_destroy);
  weights.set_all(whisper.get(), llasa_whisper_tensor_count, llasa_whisper_tensor_info,
                  llasa_whisper_set_tensor);
  return whisper;
}

// Transcripts that do not end before they are as long as they may be, and likelihoods of as long a text.
StepPhase listen(const StepSizes& s, llasa_whisper* whisper, const std::vector<float>& waveforms) {
  const int64_t samples = static_cast<int64_t>(waveforms.size()) / s.clips;
  const int32_t end = narrow(51866 / s.shrink) - 1;
  std::vector<int64_t> offsets{0}, target_offsets{0};
  std::vector<int32_t> targets, first;
  const std::vector<int32_t> prompt{1, 2, 3, 4};
  for (int64_t b = 0; b < s.clips; ++b) {
    offsets.push_back(offsets.back() + samples);
    targets.insert(targets.end(), prompt.begin(), prompt.end());
    for (int64_t t = 0; t < s.text_tokens; ++t) targets.push_back(narrow(5 + (b + t * 31) % 900));
    target_offsets.push_back(static_cast<int64_t>(targets.size()));
    first.push_back(narrow(static_cast<int64_t>(prompt.size())));
  }
  const auto B = static_cast<size_t>(s.clips);
  std::vector<int32_t> tokens(B * static_cast<size_t>(s.text_tokens)), lengths(B), languages(B);
  std::vector<float> logprobs(B), no_speech(B), nlls(B);
  llasa_whisper_request request{};
  request.struct_size = sizeof request;
  request.num_clips = s.clips;
  request.waveforms = waveforms.data();
  request.waveform_offsets = offsets.data();
  request.max_new_tokens = narrow(s.text_tokens);
  request.prompt_ids = prompt.data();
  request.prompt_length = static_cast<int64_t>(prompt.size());
  request.language_slot = -1;
  request.no_speech_token = -1;
  request.target_language_slot = -1;
  request.suppress_ids = request.begin_suppress_ids = &end;
  request.num_suppress = request.num_begin_suppress = 1;
  request.target_offsets = target_offsets.data();
  request.target_ids = targets.data();
  request.target_first = first.data();
  llasa_whisper_result result{};
  result.struct_size = sizeof result;
  result.tokens = tokens.data();
  result.lengths = lengths.data();
  result.mean_logprobs = logprobs.data();
  result.no_speech_probs = no_speech.data();
  result.languages = languages.data();
  result.mean_nlls = nlls.data();
  return measure("recogniser", static_cast<double>(s.clips), "clips", 0, [&] {
    check(llasa_whisper_score(whisper, &request, &result));
    expect_finite(nlls, "likelihood of text");
    for (const int32_t length : lengths) {
      if (length != s.text_tokens)
        throw std::runtime_error("a transcript of " + std::to_string(length) + " tokens");
    }
  });
}

}  // namespace

void run_step(const StepSizes& sizes, const std::function<void(const StepPhase&)>& tell) {
  RandomWeights weights;
  {
    const auto policy = make_policy(sizes, weights);
    tell(draw(sizes, policy.get()));
    tell(train(sizes, policy.get()));
  }
  std::vector<float> waveforms;
  {
    const auto codec = make_codec(sizes, weights);
    tell(vocode(sizes, codec.get(), waveforms));
  }
  const auto whisper = make_whisper(sizes, weights);
  tell(listen(sizes, whisper.get(), waveforms));
}

std::string step_json(const StepSizes& s, const std::vector<StepPhase>& phases) {
  llasa_device_info device{};
  device.struct_size = sizeof device;
  check(llasa_get_device_info(&device));
  const auto number = [](double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", value);
    return std::string(text);
  };
  std::string json = "{\n  \"backend\": \"" + std::string(device.backend) + "\",\n  \"device\": \"" +
                     device.device_name + "\"";
  for (const auto& [name, value] :
       std::initializer_list<std::pair<const char*, int64_t>>{{"layers", s.layers},
                                                              {"shrink", s.shrink},
                                                              {"prompts", s.prompts},
                                                              {"samples", s.samples},
                                                              {"prompt_tokens", s.prompt_tokens},
                                                              {"new_tokens", s.new_tokens},
                                                              {"micro_batches", s.micro_batches},
                                                              {"micro_batch_tokens", s.micro_batch_tokens},
                                                              {"clips", s.clips},
                                                              {"codes", s.codes},
                                                              {"text_tokens", s.text_tokens}})
    json += ",\n  \"" + std::string(name) + "\": " + std::to_string(value);
  json += ",\n  \"phases\": [";
  for (const StepPhase& p : phases) {
    json += (&p == phases.data() ? "\n" : ",\n") + std::string("    {\"name\": \"") + p.name +
            "\", \"first_seconds\": " + number(p.first_seconds) + ", \"seconds\": " + number(p.seconds) +
            ", \"" + p.unit + "\": " + number(p.units);
    if (p.flops > 0) json += ", \"product_tflops\": " + number(p.flops / p.seconds * 1e-12);
    json += "}";
  }
  return json + "\n  ]\n}\n";
}

}  // namespace llasa::bench
