// Arrays and streams of a caller, as another library of the process would have them on the device.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/device.h"
#include "llasa_native.h"

namespace llasa::test {

// A stream that the library did not make for itself, and arrays whose values are still on their way there.
struct Caller {
  Stream stream;

  void* handle() const { return stream.native(); }
  template <typename T>
  DeviceBuffer<T> array(const std::vector<T>& values) {
    DeviceBuffer<T> buffer;
    buffer.upload(stream, values.data(), static_cast<int64_t>(values.size()), "an array of the caller");
    return buffer;
  }
  // What the array holds once this stream, and no other, was waited for.
  template <typename T>
  std::vector<T> read(const DeviceBuffer<T>& array) {
    return array.download(stream, array.capacity());
  }
};

inline void expect_refused(llasa_status status, llasa_status expected, const std::string& text) {
  EXPECT_EQ(status, expected) << text;
  const std::string message = llasa_last_error();
  EXPECT_NE(message.find(text), std::string::npos) << message;
}

}  // namespace llasa::test
