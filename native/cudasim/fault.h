// Faults of kernels: what went wrong, where.
#pragma once

#include <string>

#include "cudasim/runtime_api.h"

namespace cudasim {

// Reports a fault of the running thread and leaves the kernel: the launch fails with `message`, its other
// threads and blocks do not run. Only from kernel code.
[[noreturn]] void kernel_fault(const std::string& message, const void* site = nullptr);

// A fault of the device, as its next synchronisation will report it.
void set_device_fault(cudaError_t error, const std::string& message);
// The fault that is waiting, cudaSuccess if none. Taking it clears it, so that one bad kernel does not fail
// the tests after it, unless faults are sticky: then it stays, as on a real device.
cudaError_t take_device_fault();
void set_sticky_faults(bool sticky);
void reset_device();
// The sticky fault that has ended the device; its text becomes the calling thread's.
cudaError_t lost_device_error();
// Text of the fault taken last on this thread.
const char* fault_text();
// For errors that are the calling thread's alone.
void note_fault_text(const std::string& message);
std::string text(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace cudasim
