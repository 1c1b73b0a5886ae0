// Errors inside the library: thrown as Error, turned into llasa_status by abi/guard.h and nowhere else.
#pragma once

#include <cstdarg>
#include <stdexcept>
#include <string>

#include "llasa_native.h"

namespace llasa {

class Error : public std::runtime_error {
 public:
  Error(llasa_status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  llasa_status status() const { return status_; }

 private:
  llasa_status status_;
};

// printf into a std::string.
[[gnu::format(printf, 1, 2)]] std::string format(const char* fmt, ...);

[[noreturn, gnu::format(printf, 2, 3)]] void fail(llasa_status status, const char* fmt, ...);

}  // namespace llasa

// Throws llasa::Error(status, formatted message) unless cond holds. For user-visible conditions; internal
// invariants use assert.
#define LLASA_CHECK(cond, status, ...)      \
  do {                                      \
    if (!(cond)) {                          \
      ::llasa::fail((status), __VA_ARGS__); \
    }                                       \
  } while (0)
