#include "cpu/isa.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

#include "core/status.h"

#if defined(LLASA_HAVE_X86_ISAS)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

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
  extern const Q8Kernels q8_kernels;                 \
  }
// clang-format off
#define LLASA_TABLES(name, isa_name) \
  name, &isa_name::norm_kernels, &isa_name::activation_kernels, &isa_name::softmax_kernels, \
    &isa_name::sampling_kernels, &isa_name::speech_kernels, &isa_name::decode_kernels, \
    &isa_name::attention_kernels, &isa_name::optimizer_kernels, &isa_name::cast_kernels, \
    &isa_name::product_kernels, &isa_name::q8_kernels
// clang-format on

namespace llasa::cpu {

LLASA_DECLARE_TABLES(scalar)
#if defined(LLASA_HAVE_X86_ISAS)
LLASA_DECLARE_TABLES(avx2)
LLASA_DECLARE_TABLES(avx512)
namespace vnni {
extern const Q8Kernels q8_kernels;
}
namespace avx512_bf16 {
extern const TileProductKernels tile_product_kernels;
}
namespace amx {
extern const TileProductKernels tile_product_kernels;
extern const Q8Kernels q8_kernels;
}  // namespace amx
#endif

namespace {

const Kernels kScalar = {LLASA_TABLES("scalar", scalar)};

#if defined(LLASA_HAVE_X86_ISAS)
const Kernels kAvx2 = {LLASA_TABLES("avx2", avx2)};
const Kernels kAvx512 = {LLASA_TABLES("avx512", avx512)};
// AVX-512's tables, with other kernels for 8 bits and with products in tiles.
Kernels avx512_with(const char* name, const Q8Kernels* q8, const TileProductKernels* tiles) {
  Kernels table = kAvx512;
  table.isa = name;
  table.q8 = q8;
  table.tile_product = tiles;
  return table;
}

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}

bool has_vnni() {
  return has_avx512() && __builtin_cpu_supports("avx512vnni");
}

bool has_avx512_bf16() {
  return has_vnni() && __builtin_cpu_supports("avx512bf16");
}

// The processor's tile unit for bf16 and bytes, and Linux's leave to use its registers, which is asked for once (and
// refused by kernels before 5.16).
bool has_amx() {
  static const bool has = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;
    constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24, kAmxInt8 = 1u << 25;
    if (!has_avx512_bf16() || __get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
    constexpr unsigned kAll = kAmxBf16 | kAmxTile | kAmxInt8;
    if ((d & kAll) != kAll) return false;
    constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  }();
  return has;
}
#endif

std::atomic<const Kernels*> forced_table{nullptr};

const Kernels& choose() {
  if (const char* wanted = std::getenv("LLASA_ISA"); wanted != nullptr && *wanted != '\0') {
    const Kernels* table = kernels_for(wanted);
    LLASA_CHECK(
        table != nullptr, Status::kArgument,
        "LLASA_ISA: `%s`, expected scalar, avx2, avx512, vnni, avx512_bf16 or amx as this processor has",
        wanted);
    return *table;
  }
  for (const char* isa : {"amx", "avx512_bf16", "vnni", "avx512", "avx2"}) {
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
  if (std::strcmp(isa, "vnni") == 0 && has_vnni()) {
    static const Kernels table = avx512_with("vnni", &vnni::q8_kernels, nullptr);
    return &table;
  }
  if (std::strcmp(isa, "avx512_bf16") == 0 && has_avx512_bf16()) {
    static const Kernels table =
        avx512_with("avx512_bf16", &vnni::q8_kernels, &avx512_bf16::tile_product_kernels);
    return &table;
  }
  if (std::strcmp(isa, "amx") == 0 && has_amx()) {
    static const Kernels table = avx512_with("amx", &amx::q8_kernels, &amx::tile_product_kernels);
    return &table;
  }
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
