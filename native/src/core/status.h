// Errors inside the library: thrown as Error, turned into the ABI's statuses by abi/guard.h and nowhere else.
#pragma once

#include <cstdarg>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace llasa {

// What went wrong, as the ABI numbers it: llasa_native.h says what each means.
enum class Status : int32_t {
  kArgument = 100,
  kAbi = 101,
  kShape = 102,
  kName = 103,
  kToken = 104,
  kState = 200,
  kOutOfMemory = 300,
  kCapacity = 301,
  kDevice = 400,
  kNoDevice = 401,
  kNotFinite = 500,
  kCancelled = 600,
  kWorld = 700,
  kInternal = 900,
};

class Error : public std::runtime_error {
 public:
  Error(Status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  Status status() const { return status_; }

 private:
  Status status_;
};

// printf into a std::string.
[[gnu::format(printf, 1, 2)]] std::string format(const char* fmt, ...);

[[noreturn, gnu::format(printf, 2, 3)]] void fail(Status status, const char* fmt, ...);

}  // namespace llasa

// Throws llasa::Error(status, formatted message) unless cond holds. For user-visible conditions; internal
// invariants use assert.
#define LLASA_CHECK(cond, status, ...)      \
  do {                                      \
    if (!(cond)) {                          \
      ::llasa::fail((status), __VA_ARGS__); \
    }                                       \
  } while (0)
