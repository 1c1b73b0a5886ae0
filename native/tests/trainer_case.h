// The oracle's training cases in the form of the ABI.
#pragma once

#include <string>
#include <vector>

#include "token_terms.h"

namespace llasa::test {

// The arrays of a case, in the ABI's packed form. Everything in the files is [B, L], aligned with the
// predicted token; the prompt is what lies before the first unmasked token.
struct CaseBatch {
  BatchData tokens;
  LossData data;
  std::vector<size_t> cell;  // of each scored token in the [B, L] arrays

  explicit CaseBatch(const Tensors& inputs) {
    const auto ids = inputs.at("input_ids").integers<int32_t>();
    const auto lengths = inputs.at("lengths").integers<int64_t>();
    const auto masks = inputs.at("response_mask").floats();
    const size_t L = static_cast<size_t>(inputs.at("input_ids").shape[1]);
    const auto optional = [&](const char* name) {
      return inputs.count(name) ? inputs.at(name).floats() : std::vector<float>(ids.size(), 0.0f);
    };
    const std::vector<float> old_all = optional("old_logp"), ref_all = optional("ref_logp");
    const bool sft = !inputs.count("advantages") && !inputs.count("token_advantages");
    const bool per_token = inputs.count("token_advantages");
    if (!sft && !per_token) data.advantages = inputs.at("advantages").floats();
    const std::vector<float> token_all = optional("token_advantages"), weight_all = optional("importance");
    for (size_t b = 0; b < lengths.size(); ++b) {
      const auto length = static_cast<size_t>(lengths[b]);
      size_t prompt = 1;
      while (prompt < length && masks[b * L + prompt] == 0.0f) ++prompt;
      tokens.add(
          {ids.begin() + static_cast<int64_t>(b * L), ids.begin() + static_cast<int64_t>(b * L + length)},
          static_cast<int64_t>(prompt));
      for (size_t t = prompt; t < length; ++t) {
        cell.push_back(b * L + t);
        if (!sft) data.old_logprobs.push_back(old_all[b * L + t]);
        if (!sft) data.ref_logprobs.push_back(ref_all[b * L + t]);
        if (per_token) data.advantages.push_back(token_all[b * L + t]);
        if (inputs.count("importance")) data.importance.push_back(weight_all[b * L + t]);
        data.mask.push_back(masks[b * L + t] != 0.0f);
      }
    }
  }
};

inline llasa_head_options head_of(const Json& loss) {
  llasa_head_options head;
  llasa_head_options_init(&head);
  head.temperature = static_cast<float>(loss["temperature"].number());
  if (loss.has("restrict_vocab")) {
    head.restrict_start = static_cast<int32_t>(loss["restrict_vocab"]["start"].integer());
    head.restrict_end = static_cast<int32_t>(loss["restrict_vocab"]["end"].integer());
    head.restrict_extra = static_cast<int32_t>(loss["restrict_vocab"]["extra"].integer());
  }
  return head;
}

inline Loss loss_of(const Json& manifest) {
  const Json& given = manifest["loss"];
  if (given["kind"].string() == "sft") return Loss::cross_entropy();
  Loss loss;
  loss.options.clip_low = static_cast<float>(given.number_or("clip_low", 0.2));
  loss.options.clip_high = static_cast<float>(given.number_or("clip_high", 0.2));
  loss.dual_clip = static_cast<float>(given.number_or("dual_clip_c", 0.0));
  loss.kl_coef = static_cast<float>(given.number_or("kl_coef", 0.0));
  loss.entropy_coef = static_cast<float>(given.number_or("entropy_coef", 0.0));
  const std::string aggregate = given.has("agg") ? given["agg"].string() : "token-mean";
  if (aggregate == "seq-mean-token-mean") loss.aggregate = Aggregate::kSequenceMean;
  if (aggregate == "constant") {
    loss.aggregate = Aggregate::kConstant;
    loss.constant = given["constant"].number();
  }
  if (given.has("ratio") && given["ratio"].string() == "sequence") loss.options.ratio = LLASA_RATIO_SEQUENCE;
  if (given.has("kl_estimator")) {
    const std::string name = given["kl_estimator"].string();
    loss.options.kl_estimator = name == "k1" ? LLASA_KL_K1 : name == "k2" ? LLASA_KL_K2 : LLASA_KL_K3;
  }
  return loss;
}

}  // namespace llasa::test
