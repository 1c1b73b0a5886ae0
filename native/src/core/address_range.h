// Addresses of a device that memory is put behind as it is needed, from the first one on: an array there grows, and
// gives its memory up for another, without moving. The CPU's are the system's pages, a GPU's the driver's virtual
// memory (cuMemAddressReserve).
#pragma once

#include <cstdint>

namespace llasa {

// What memory is put behind addresses and taken back in: small on the CPU, whose pages cost nothing until they are
// written; on a GPU a piece is a call of the driver.
constexpr int64_t kCpuGranule = int64_t{2} << 20;
constexpr int64_t kGpuGranule = int64_t{32} << 20;

struct AddressRange {
  char* base = nullptr;  // NULL: there are none to be had
  int64_t bytes = 0;
};

// The calling thread's device, as its backend counts them.
int current_device();
// Of this backend.
int64_t commit_granule();

// Addresses of the calling thread's device with nothing behind them, for the life of the process. None where driver or
// process cannot have them, and with LLASA_ARENA=0 in the environment.
AddressRange reserve_addresses();
// Memory behind [at, at + bytes), multiples of the granule; uninitialised, counted in allocated_bytes. Throws
// Status::kOutOfMemory naming `what`, and nothing is behind them then.
void commit_memory(char* at, int64_t bytes, const char* what);
// Takes it back; no work that uses it may be queued. Granules may have come by several calls.
void decommit_memory(char* at, int64_t bytes) noexcept;

// Tells who checks accesses (AddressSanitizer, the simulator) which bytes of such memory are in use: of what is committed
// none, until they are opened, and none of their old values is good then.
void open_memory(void* at, int64_t bytes);
void close_memory(void* at, int64_t bytes) noexcept;

}  // namespace llasa
