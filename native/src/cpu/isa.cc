#include "cpu/isa.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

#include "core/status.h"

#define LLASA_DECLARE_TABLES(isa_name)               \
  namespace isa_name {                               \
  extern const NormKernels norm_kernels;             \
  extern const ActivationKernels activation_kernels; \
  extern const SoftmaxKernels softmax_kernels;       \
  extern const SamplingKernels sampling_kernels;     \
  extern const SpeechKernels speech_kernels;         \
  extern const DecodeKernels decode_kernels;         \
  extern const AttentionKernels attention_kernels;   \
  extern const OptimizerKernels optimizer_kernels;   \
  extern const CastKernels cast_kernels;             \
  extern const ProductKernels product_kernels;       \
  }
// clang-format off
#define LLASA_TABLES(isa_name) \
  { #isa_name, &isa_name::norm_kernels, &isa_name::activation_kernels, &isa_name::softmax_kernels, \
    &isa_name::sampling_kernels, &isa_name::speech_kernels, &isa_name::decode_kernels, \
    &isa_name::attention_kernels, &isa_name::optimizer_kernels, &isa_name::cast_kernels, \
    &isa_name::product_kernels }
// clang-format on

namespace llasa::cpu {

LLASA_DECLARE_TABLES(scalar)
#if defined(LLASA_HAVE_X86_ISAS)
LLASA_DECLARE_TABLES(avx2)
LLASA_DECLARE_TABLES(avx512)
#endif

namespace {

const Kernels kScalar = LLASA_TABLES(scalar);

#if defined(LLASA_HAVE_X86_ISAS)
const Kernels kAvx2 = LLASA_TABLES(avx2);
const Kernels kAvx512 = LLASA_TABLES(avx512);

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
#endif

std::atomic<const Kernels*> forced_table{nullptr};

const Kernels& choose() {
  if (const char* wanted = std::getenv("LLASA_ISA"); wanted != nullptr && *wanted != '\0') {
    const Kernels* table = kernels_for(wanted);
    LLASA_CHECK(table != nullptr, LLASA_ERR_ARGUMENT,
                "LLASA_ISA: `%s`, expected scalar, avx2 or avx512 as this processor has", wanted);
    return *table;
  }
  for (const char* isa : {"avx512", "avx2"}) {
    if (const Kernels* table = kernels_for(isa)) return *table;
  }
  return kScalar;
}

}  // namespace

const Kernels* kernels_for(const char* isa) {
  if (std::strcmp(isa, "scalar") == 0) return &kScalar;
#if defined(LLASA_HAVE_X86_ISAS)
  if (std::strcmp(isa, "avx2") == 0 && has_avx2()) return &kAvx2;
  if (std::strcmp(isa, "avx512") == 0 && has_avx512()) return &kAvx512;
#endif
  return nullptr;
}

const Kernels& kernels() {
  const Kernels* forced = forced_table.load(std::memory_order_relaxed);
  if (forced != nullptr) return *forced;
  static const Kernels& chosen = choose();
  return chosen;
}

bool use_kernels(const char* isa) {
  const Kernels* table = isa == nullptr ? nullptr : kernels_for(isa);
  if (isa != nullptr && table == nullptr) return false;
  forced_table.store(table);
  return true;
}

}  // namespace llasa::cpu
