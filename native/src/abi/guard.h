// The only place where exceptions become statuses.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <string>

#include "core/status.h"
#include "llasa_native.h"

namespace llasa::abi {

// Stores the calling thread's error message and returns status.
llasa_status report(llasa_status status, const char* function, const char* message) noexcept;

// Runs body and turns whatever it throws into a status.
template <typename Body>
llasa_status guarded(const char* function, Body&& body) noexcept {
  try {
    body();
    return LLASA_OK;
  } catch (const Error& error) {
    return report(static_cast<llasa_status>(error.status()), function, error.what());
  } catch (const std::bad_alloc&) {
    return report(LLASA_ERR_OUT_OF_MEMORY, function, "out of host memory");
  } catch (const std::exception& error) {
    return report(LLASA_ERR_INTERNAL, function, error.what());
  } catch (...) {
    return report(LLASA_ERR_INTERNAL, function, "unknown exception");
  }
}

template <typename T>
T& required(T* pointer, const char* name) {
  LLASA_CHECK(pointer != nullptr, Status::kArgument, "`%s` is NULL", name);
  return *pointer;
}

// Options as this library knows them: a shorter struct keeps the defaults in `value` for its missing tail, a
// longer one is accepted if what we do not know is zero.
template <typename T>
T read_options(const T* given, T value, const char* name) {
  required(given, name);
  const uint32_t size = given->struct_size;
  LLASA_CHECK(size >= sizeof(uint32_t) && size < 65536, Status::kAbi, "`%s.struct_size`: %u", name, size);
  if (size > sizeof(T)) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(given);
    for (size_t i = sizeof(T); i < size; ++i) {
      LLASA_CHECK(bytes[i] == 0, Status::kAbi,
                  "`%s`: struct_size %u, this library knows %zu and the rest is not zero", name, size,
                  sizeof(T));
    }
  }
  std::memcpy(static_cast<void*>(&value), given, size < sizeof(T) ? size : sizeof(T));
  value.struct_size = sizeof(T);
  return value;
}

// Writes a result struct back, no further than the caller's struct reaches.
template <typename T>
void write_struct(T* out, const T& value, const char* name) {
  const uint32_t size = required(out, name).struct_size;
  LLASA_CHECK(size >= sizeof(uint32_t) && size < 65536, Status::kAbi, "`%s.struct_size`: %u", name, size);
  std::memcpy(static_cast<void*>(out), &value, size < sizeof(T) ? size : sizeof(T));
  out->struct_size = size;
}

}  // namespace llasa::abi
