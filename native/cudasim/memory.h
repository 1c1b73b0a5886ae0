// Device memory: one reserved range, in which every allocation lies between red zones, with a shadow byte per
// byte. Host code cannot touch it: it is inaccessible unless the simulator is working.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace cudasim {

// Shadow values; a byte that was written has both bits.
constexpr uint8_t kAllocated = 1;
constexpr uint8_t kWritten = 3;

// On the calling thread's device. NULL when there is no room.
void* allocate_device(size_t bytes);
bool free_device(void* memory);
// Of the calling thread's device.
void device_memory_info(size_t* free_bytes, size_t* total_bytes);
// As much as every pretended device has (LLASA_CUDASIM_MEMORY, 16 GiB); for tests of running out.
void set_device_memory(size_t bytes);

// For virtual memory management: addresses of the calling thread's device, never taken back, 0 when there are no more; bytes
// of a device's memory, if there is room; arrays where the caller knows that memory is mapped.
uintptr_t reserve_device_addresses(size_t bytes, size_t alignment);
bool is_reserved(uintptr_t address, size_t bytes);
bool take_device_bytes(int device, size_t bytes);
void give_device_bytes(int device, size_t bytes);
void open_device_array(void* memory, size_t bytes);
void close_device_array(void* memory);

bool is_device_pointer(const void* pointer);
// Of a device pointer.
int device_of(const void* pointer);
// Lets the kernels that run next see the memory of one device alone.
void show_to_kernels(int device);
// "4 bytes past the end of an array of 256 bytes at 0x..."
std::string describe_address(uintptr_t address);
// Whether the whole range lies in one allocation; and, if asked, was written everywhere.
bool range_is_allocated(const void* memory, size_t bytes);
bool range_is_written(const void* memory, size_t bytes);
void mark_written(void* memory, size_t bytes);
void copy_shadow(void* destination, const void* source, size_t bytes);

// Kernels and copies may touch device memory after show and until hide, which is called when control goes
// back to the host with results.
void show_device_memory();
void hide_device_memory();

void* allocate_pinned(size_t bytes);
bool free_pinned(void* memory);
bool is_pinned_pointer(const void* pointer);

}  // namespace cudasim
