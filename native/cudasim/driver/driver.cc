// A libcuda.so.1 for machines without a driver: what is asked before the CUDA backend is loaded, answered as
// the simulator will answer it. Tests put its folder on LD_LIBRARY_PATH.
#include <cstdlib>

namespace {

int setting(const char* name, int otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::atoi(value);
}

constexpr int kSuccess = 0, kNoDevice = 100;

}  // namespace

extern "C" {

__attribute__((visibility("default"))) int cuDeviceGetCount(int* count) {
  *count = setting("LLASA_CUDASIM_DEVICES", 1);
  return kSuccess;
}

__attribute__((visibility("default"))) int cuInit(unsigned) {
  return setting("LLASA_CUDASIM_DEVICES", 1) == 0 ? kNoDevice : kSuccess;
}

}  // extern "C"
