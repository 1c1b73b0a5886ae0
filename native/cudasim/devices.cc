#include "devices.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "block.h"
#include "fault.h"
#include "memory.h"
#include "queue.h"
#include "runtime.h"
#include "shared_memory.h"

namespace cudasim {

namespace {

thread_local int device = 0;

std::atomic<int>& count() {
  static std::atomic<int> value{
      static_cast<int>(std::clamp<int64_t>(setting("LLASA_CUDASIM_DEVICES", 1), 0, kMaximumDevices))};
  return value;
}
std::atomic<int>& driver() {
  static std::atomic<int> value{static_cast<int>(setting("LLASA_CUDASIM_DRIVER", 12020))};
  return value;
}
std::atomic<int>& graphs_setting() {
  static std::atomic<int> value{static_cast<int>(setting("LLASA_CUDASIM_GRAPHS", 1))};
  return value;
}
std::atomic<int>& products() {
  static std::atomic<int> value{static_cast<int>(setting("LLASA_CUDASIM_PRODUCTS", 2))};
  return value;
}
std::atomic<int>& nccl() {
  static std::atomic<int> value{static_cast<int>(setting("LLASA_CUDASIM_NCCL", 0))};
  return value;
}
std::atomic<int>& cublaslt() {
  static std::atomic<int> value{static_cast<int>(setting("LLASA_CUDASIM_CUBLASLT", 2))};
  return value;
}
std::atomic<int> cublaslt_opened{0};
std::atomic<int64_t>& collectives_before_fault() {
  static std::atomic<int64_t> value{setting("LLASA_CUDASIM_FAULT_COLLECTIVE", 0)};
  return value;
}
std::atomic<int> static_shared{0};
std::atomic<int64_t>& launches_before_fault() {
  static std::atomic<int64_t> value{setting("LLASA_CUDASIM_FAULT_LAUNCH", 0)};
  return value;
}

}  // namespace

int64_t setting(const char* name, int64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : std::atoll(value);
}

int device_count() {
  return count();
}
void set_device_count(int devices) {
  count() = devices;
}
int driver_version() {
  return driver();
}
void set_driver_version(int version) {
  driver() = version;
}
int current_device() {
  return device;
}
void set_current_device(int index) {
  device = index;
}
Graphs graphs() {
  return static_cast<Graphs>(graphs_setting().load());
}
void set_graphs(Graphs how) {
  graphs_setting() = how;
}
int known_products() {
  return products();
}
void set_known_products(int known) {
  products() = known;
}
int nccl_version() {
  return nccl();
}
void set_nccl_version(int version) {
  nccl() = version;
}
int cublaslt_versions() {
  return cublaslt();
}
void set_cublaslt_versions(int versions) {
  cublaslt() = versions;
}
int opened_cublaslt() {
  return cublaslt_opened;
}
void open_cublaslt_twin(int version) {
  cublaslt_opened = version;
}
void fault_at_collective(int64_t collective) {
  collectives_before_fault() = collective;
}
bool collective_faults_now() {
  return collectives_before_fault().load() > 0 && collectives_before_fault().fetch_sub(1) == 1;
}
int static_shared_bytes() {
  return static_shared;
}
void set_static_shared_bytes(int bytes) {
  static_shared = bytes;
}
void fault_at_launch(int64_t launch) {
  launches_before_fault() = launch;
}
bool faults_now() {
  return launches_before_fault().load() > 0 && launches_before_fault().fetch_sub(1) == 1;
}

}  // namespace cudasim

using namespace cudasim;

cudaError_t cudaGetDeviceCount(int* result) {
  const ApiCall call("cudaGetDeviceCount");
  if (call.failed()) return call.fail(call.error());
  *result = 0;
  if (driver_version() < 11080) return call.fail(cudaErrorInsufficientDriver);
  *result = device_count();
  return call.fail(*result == 0 ? cudaErrorNoDevice : cudaSuccess);
}
cudaError_t cudaSetDevice(int index) {
  const ApiCall call("cudaSetDevice");
  if (call.failed()) return call.fail(call.error());
  if (index < 0 || index >= device_count()) return call.fail(cudaErrorInvalidDevice);
  set_current_device(index);
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* index) {
  *index = current_device();
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int index) {
  const ApiCall call("cudaGetDeviceProperties");
  if (call.failed()) return call.fail(call.error());
  if (index < 0 || index >= device_count()) return call.fail(cudaErrorInvalidDevice);
  size_t free_bytes = 0;
  std::snprintf(properties->name, sizeof properties->name, "simulated device");
  device_memory_info(&free_bytes, &properties->totalGlobalMem);
  properties->major = 9;
  properties->minor = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char* bus, int length, int index) {
  const ApiCall call("cudaDeviceGetPCIBusId");
  if (call.failed()) return call.fail(call.error());
  if (index < 0 || index >= device_count()) return call.fail(cudaErrorInvalidDevice);
  std::snprintf(bus, static_cast<size_t>(length), "0000:%02x:00.0", index + 1);
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  const ApiCall call("cudaDeviceGetAttribute");
  if (call.failed()) return call.fail(call.error());
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = kMaximumThreads;
      return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
      *value = 4;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = 9;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = 0;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(kMaximumShared);
      return cudaSuccess;
  }
  return call.fail(cudaErrorInvalidValue);
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = driver_version();
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 11080;
  return cudaSuccess;
}
