// The driver's virtual memory management, and arrays in what it maps: nobody but the caller knows where those begin and
// end, so that they are told. Kernels may touch the arrays that are open and nothing between them.
#pragma once

#include <cstddef>

namespace cudasim {

// Nothing of it is written yet. Not mapped where kernels may read and write: a fault of the device.
void open_array(void* memory, size_t bytes);
void close_array(void* memory, size_t bytes) noexcept;

}  // namespace cudasim
