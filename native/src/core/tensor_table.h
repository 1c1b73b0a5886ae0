// The named parameters of a model: one table serves loading, saving, gradients and the ABI's tensor
// functions.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/device.h"

namespace llasa {

struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;  // 1..4 entries
  bool optional = false;
  // Where the values live, within the table's one allocation.
  int64_t offset = 0;
  int64_t size = 0;
  bool is_set = false;
};

// Parameters in one contiguous f32 allocation, in the order they were declared; each starts 16 floats
// aligned, unless it was declared adjacent to the one before. Padding between them is zero and stays zero.
class TensorTable {
 public:
  // Declares a parameter; only before allocate().
  void declare(std::string name, std::vector<int64_t> shape, bool optional = false);
  // The same, directly behind the tensor declared before, without padding: one GEMM then covers both.
  void declare_adjacent(std::string name, std::vector<int64_t> shape);
  void allocate(Stream& stream, const char* what);

  const std::vector<TensorSpec>& specs() const { return specs_; }
  int64_t count() const { return aligned(total_); }  // floats, padding included
  float* data() { return values_.data(); }
  const float* data() const { return values_.data(); }

  // Throws LLASA_ERR_NAME if there is none.
  const TensorSpec& find(const std::string& name) const;
  bool contains(const std::string& name) const { return index_.count(name) != 0; }
  const float* at(const std::string& name) const { return values_.data() + find(name).offset; }

  // Checks shape and finiteness, converts and copies in / out.
  void set(Stream& stream, const std::string& name, llasa_dtype dtype, const int64_t* shape, int32_t rank,
           const void* data);
  void get(Stream& stream, const std::string& name, llasa_dtype dtype, void* out, int64_t size_bytes) const;

  // Throws LLASA_ERR_STATE naming up to three required parameters that were never set.
  void require_complete(const char* model) const;
  void mark_all_set();
  void info(int64_t index, llasa_tensor_info* out) const;

 private:
  static int64_t aligned(int64_t offset) { return (offset + 15) / 16 * 16; }  // floats of a cache line
  void append(std::string name, std::vector<int64_t> shape, bool optional, int64_t offset);

  std::vector<TensorSpec> specs_;
  std::unordered_map<std::string, size_t> index_;
  DeviceBuffer<float> values_;
  int64_t total_ = 0;  // end of the last tensor
};

std::string shape_text(const int64_t* shape, int64_t rank);

}  // namespace llasa
