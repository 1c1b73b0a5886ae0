// The named parameters of a model: one table serves loading, saving, gradients and the ABI's tensor
// functions.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/device.h"
#include "core/weight_view.h"

namespace llasa {

// How a table keeps its matrices: tensors of two axes and more, unless they were told to stay f32. All others
// (gains, biases) are f32 always.
enum class Storage {
  kF32,
  kF32AndBf16,  // f32 for the optimiser and for saving, and a bf16 copy for products to read
  kBf16,        // bf16 alone: half the memory of kF32, and nothing can be trained
};

struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;  // 1..4 entries
  bool optional = false;
  // Where the values live: elements from the beginning of the table's layout.
  int64_t offset = 0;
  int64_t size = 0;
  bool is_set = false;
  bool is_matrix = false;  // stored as the table's Storage says
};

// Parameters in one layout, in the order they were declared; each starts 16 elements aligned, unless it was
// declared adjacent to the one before. Padding between them is zero and stays zero. Flat arrays of this
// layout are the f32 values, their bf16 copy, gradients and moments. With Storage::kBf16 only the bf16 array
// exists, and what is no matrix has f32 values of its own.
class TensorTable {
 public:
  // Declares a parameter; only before allocate().
  void declare(std::string name, std::vector<int64_t> shape, bool optional = false);
  // The same, directly behind the tensor declared before, without padding: one GEMM then covers both.
  void declare_adjacent(std::string name, std::vector<int64_t> shape);
  // Keeps a matrix in f32 whatever the storage: a table of positions, the last word on a waveform's phase.
  void keep_f32(const std::string& name);
  void allocate(Stream& stream, const char* what, Storage storage = Storage::kF32);

  const std::vector<TensorSpec>& specs() const { return specs_; }
  int64_t count() const { return aligned(total_); }  // elements of the layout, padding included
  Storage storage() const { return storage_; }
  // The f32 values [count()]; not with Storage::kBf16.
  float* data() { return const_cast<float*>(std::as_const(*this).data()); }
  const float* data() const;
  // The bf16 values [count()]; NULL with Storage::kF32.
  Bf16* bf16() { return bf16_.data(); }
  const Bf16* bf16() const { return bf16_.data(); }
  // The matrix at an offset of the layout, as products read it.
  WeightView matrix(int64_t offset) const {
    return storage_ == Storage::kF32 ? WeightView(values_.data() + offset)
                                     : WeightView(bf16_.data() + offset);
  }
  // The tensor at an offset of the layout that is no matrix.
  const float* vector(int64_t offset) const { return values_.data() + place(offset); }
  float* vector(int64_t offset) { return values_.data() + place(offset); }

  // Either, by name.
  WeightView view(const std::string& name) const {
    const TensorSpec& spec = find(name);
    return spec.is_matrix ? matrix(spec.offset) : WeightView(vector(spec.offset));
  }
  // Throws Status::kName if there is none.
  const TensorSpec& find(const std::string& name) const;
  bool contains(const std::string& name) const { return index_.count(name) != 0; }
  // One that is f32 whatever the storage.
  const float* at(const std::string& name) const {
    const TensorSpec& spec = find(name);
    return spec.is_matrix ? data() + spec.offset : vector(spec.offset);
  }

  // Checks shape and finiteness, converts and copies in / out.
  void set(Stream& stream, const std::string& name, DType dtype, const int64_t* shape, int32_t rank,
           const void* data);
  void get(Stream& stream, const std::string& name, DType dtype, void* out, int64_t size_bytes) const;

  // Throws Status::kState naming up to three required parameters that were never set.
  void require_complete(const char* model) const;
  void mark_all_set();
  // Throws Status::kArgument if there is none.
  const TensorSpec& spec(int64_t index) const;

 private:
  static int64_t aligned(int64_t offset) { return (offset + 15) / 16 * 16; }  // floats of a cache line
  void append(std::string name, std::vector<int64_t> shape, bool optional, int64_t offset);
  // Where in values_ the f32 values of the tensor at an offset begin.
  int64_t place(int64_t offset) const {
    return storage_ == Storage::kBf16 ? vector_places_.at(offset) : offset;
  }

  std::vector<TensorSpec> specs_;
  std::unordered_map<std::string, size_t> index_;
  Storage storage_ = Storage::kF32;
  DeviceBuffer<float> values_;
  DeviceBuffer<Bf16> bf16_;
  std::unordered_map<int64_t, int64_t> vector_places_;  // with Storage::kBf16, by offset
  int64_t total_ = 0;                                   // end of the last tensor
};

std::string shape_text(const int64_t* shape, int64_t rank);

}  // namespace llasa
