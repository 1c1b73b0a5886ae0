#include "isa_test.h"

#if !defined(LLASA_TESTS_ON_DEVICE)
#include "cpu/isa.h"
#endif

namespace llasa::test {

#if defined(LLASA_TESTS_ON_DEVICE)

std::vector<const char*> instruction_sets() {
  return {"device"};
}
bool use_instruction_set(const char*) {
  return true;
}

#else

std::vector<const char*> instruction_sets() {
  return {"scalar", "avx2", "avx512", "vnni", "avx512_bf16", "amx"};
}
bool use_instruction_set(const char* name) {
  return cpu::use_kernels(name);
}

#endif

}  // namespace llasa::test
