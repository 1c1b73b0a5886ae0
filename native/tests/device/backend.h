// The C ABI of one backend as a table of functions, so that a test can hold two backends side by side: the
// one this program is linked with, and another one's shared library.
#pragma once

#include <dlfcn.h>

#include <stdexcept>
#include <string>

#include "llasa_native.h"

namespace llasa::test {

// Laid out by hand: clang-format lays this list out anew each time.
// clang-format off
#define LLASA_BACKEND_FUNCTIONS(X)                                                                \
  X(last_error) X(set_num_threads) X(get_device_info) X(policy_create) X(policy_destroy)          \
  X(policy_set_tensor) X(policy_tensor_count) X(policy_tensor_info) X(policy_logits)              \
  X(rollout_create) X(rollout_destroy) X(rollout_generate) X(trainer_create) X(trainer_destroy)   \
  X(trainer_accumulate) X(trainer_step) X(trainer_get_state) X(codec_create) X(codec_destroy)     \
  X(codec_set_tensor) X(codec_geometry) X(codec_encode) X(vocode) X(whisper_create)               \
  X(whisper_destroy) X(whisper_set_tensor) X(whisper_log_mel) X(whisper_encode) X(whisper_logits) \
  X(whisper_score_codes) X(plan_memory) X(memory_plan_item)
// clang-format on

struct Backend {
#define LLASA_MEMBER(name) decltype(&llasa_##name) name = nullptr;
  LLASA_BACKEND_FUNCTIONS(LLASA_MEMBER)
#undef LLASA_MEMBER

  static Backend linked() {
    Backend backend;
#define LLASA_TAKE(name) backend.name = &llasa_##name;
    LLASA_BACKEND_FUNCTIONS(LLASA_TAKE)
#undef LLASA_TAKE
    return backend;
  }

  // Stays loaded until the process ends.
  static Backend load(const std::string& path) {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) throw std::runtime_error(dlerror());
    Backend backend;
#define LLASA_FIND(name)                                                                   \
  backend.name = reinterpret_cast<decltype(backend.name)>(dlsym(library, "llasa_" #name)); \
  if (backend.name == nullptr) throw std::runtime_error(path + " has no llasa_" #name);
    LLASA_BACKEND_FUNCTIONS(LLASA_FIND)
#undef LLASA_FIND
    return backend;
  }

  void check(llasa_status status) const {
    if (status != LLASA_OK) throw std::runtime_error(last_error());
  }
};

}  // namespace llasa::test
