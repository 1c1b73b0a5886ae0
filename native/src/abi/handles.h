// What is behind the handles that have children: a child holds the model, not the handle, so that handles may
// be destroyed in any order.
#pragma once

#include <memory>

#include "core/collective.h"
#include "core/live_counts.h"
#include "llasa_native.h"
#include "models/policy.h"
#include "models/policy_score.h"

struct llasa_world {
  std::shared_ptr<llasa::Collective> model;
};

struct llasa_policy {
  llasa_policy(const llasa::LlamaConfig& config, llasa::Storage storage, bool frozen)
      : model(std::make_shared<llasa::Policy>(config, storage, frozen)) {}

  llasa::LiveHandle live{llasa::HandleKind::kPolicy};
  std::shared_ptr<llasa::Policy> model;
  std::unique_ptr<llasa::PolicyScorer> scorer;  // made when first needed: it holds activations
};
