// Reads the 16-bit mono WAV files of the fixtures; tests only (the product reads audio in C#).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "fixture.h"

namespace llasa::test {

// Samples as int16 / 32768.
inline std::vector<float> read_wave(const std::filesystem::path& path) {
  const std::string file = read_file(path);
  size_t at = 12;
  while (at + 8 <= file.size()) {
    uint32_t bytes = 0;
    std::memcpy(&bytes, file.data() + at + 4, 4);
    if (file.compare(at, 4, "data") == 0) {
      std::vector<float> samples(std::min<size_t>(bytes, file.size() - at - 8) / 2);
      for (size_t i = 0; i < samples.size(); ++i) {
        int16_t value = 0;
        std::memcpy(&value, file.data() + at + 8 + 2 * i, 2);
        samples[i] = static_cast<float>(value) / 32768.0f;
      }
      return samples;
    }
    at += 8 + bytes + bytes % 2;
  }
  throw std::runtime_error("no samples in " + path.string());
}

}  // namespace llasa::test
