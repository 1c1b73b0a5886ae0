// Trainers for tests, through the ABI.
#pragma once

#include <algorithm>

#include "policy_fixture.h"

namespace llasa::test {

struct DestroyTrainer {
  void operator()(llasa_trainer* trainer) const { llasa_trainer_destroy(trainer); }
};
using TrainerHandle = std::unique_ptr<llasa_trainer, DestroyTrainer>;

inline TrainerHandle create_trainer(llasa_policy* policy, const llasa_trainer_options& options) {
  llasa_trainer* trainer = nullptr;
  if (llasa_trainer_create(policy, &options, &trainer) != LLASA_OK)
    throw std::runtime_error(llasa_last_error());
  return TrainerHandle(trainer);
}

inline std::vector<float> get_state(llasa_trainer* trainer, int32_t kind, const Parameter& p) {
  std::vector<float> values(static_cast<size_t>(p.size));
  EXPECT_OK(llasa_trainer_get_state(trainer, kind, p.name.c_str(), values.data(), p.size));
  return values;
}

}  // namespace llasa::test
