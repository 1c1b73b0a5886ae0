// The named parameters of a model: one table serves loading, saving, gradients and the ABI's tensor
// functions.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/bf16_groups.h"
#include "core/device.h"
#include "core/weight_view.h"

namespace llasa {

// How a table keeps its matrices: tensors of two axes and more, unless they were told to stay f32. All others
// (gains, biases) are f32 always.
enum class Storage {
  kF32,
  kF32AndBf16,  // f32 for the optimiser and for saving, and a bf16 copy for products to read
  kBf16,        // bf16 alone: half the memory of kF32, and nothing can be trained
  kBf16Groups,  // the same in groups of rows (core/bf16_groups.h): rows are multiples of 32
  kQ8,          // 8 bits (core/q8.h) where rows are multiples of 32, else f32; nothing can be trained, either
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
  bool is_adjacent = false;

  int64_t row() const { return size / shape[0]; }  // elements of one
};

// Holds the values of a table in its stead.
class TableStore {
 public:
  virtual ~TableStore() = default;
  // As TensorTable's of these names.
  virtual WeightView matrix(int64_t offset) const = 0;
  virtual const float* vector(int64_t offset) const = 0;
  // n elements of a tensor from element i on, from and to f32 on the host.
  virtual void store(Stream& stream, const TensorSpec& spec, int64_t i, const float* values, int64_t n) = 0;
  virtual void load(Stream& stream, const TensorSpec& spec, int64_t i, float* values, int64_t n) const = 0;
};

// Parameters in one layout, in the order they were declared; each starts 16 elements aligned, unless it was
// declared adjacent to the one before. Padding between them is zero and stays zero. Flat arrays of this
// layout are the f32 values, their bf16 copy, gradients and moments. With Storage::kBf16 only the bf16 array
// exists, and what is no matrix has f32 values of its own; in groups adjacent matrices are one.
class TensorTable {
 public:
  // Declares a parameter; only before allocate().
  void declare(std::string name, std::vector<int64_t> shape, bool optional = false);
  // The same, directly behind the tensor declared before, without padding: one GEMM then covers both.
  void declare_adjacent(std::string name, std::vector<int64_t> shape);
  // Keeps a matrix in f32 whatever the storage: a table of positions, the last word on a waveform's phase.
  void keep_f32(const std::string& name);
  void allocate(Stream& stream, const char* what, Storage storage = Storage::kF32);
  // Turns kBf16Groups into kBf16, whose elements can be pointed at; nothing otherwise.
  void ungroup(Stream& stream);
  // From now on the values are in there, and this holds none.
  void hand_over(std::unique_ptr<TableStore> store);

  const std::vector<TensorSpec>& specs() const { return specs_; }
  int64_t count() const { return aligned(total_); }  // elements of the layout, padding included
  Storage storage() const { return storage_; }
  bool has_groups() const { return storage_ == Storage::kBf16Groups || storage_ == Storage::kQ8; }
  // The f32 values [count()]; with Storage::kF32 and kF32AndBf16 alone, and not after hand_over.
  float* data() { return const_cast<float*>(std::as_const(*this).data()); }
  const float* data() const;
  // The bf16 values [count()]; NULL with Storage::kF32 and in groups, and after hand_over.
  Bf16* bf16() { return bf16_.data(); }
  const Bf16* bf16() const { return bf16_.data(); }
  // The matrix at an offset of the layout, as products read it.
  WeightView matrix(int64_t offset) const {
    if (elsewhere_ != nullptr) return elsewhere_->matrix(offset);
    if (has_groups()) return grouped_matrix(offset);
    return storage_ == Storage::kF32 ? WeightView(values_.data() + offset)
                                     : WeightView(bf16_.data() + offset);
  }
  // The tensor at an offset of the layout that is no matrix.
  const float* vector(int64_t offset) const {
    return elsewhere_ != nullptr ? elsewhere_->vector(offset) : values_.data() + place(offset);
  }
  float* vector(int64_t offset) { return const_cast<float*>(std::as_const(*this).vector(offset)); }

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
  // Copies every value of a table that declares the same, through the host: for storages that differ.
  void copy_from(Stream& stream, const TensorTable& source);

  // Throws Status::kState naming up to three required parameters that were never set.
  void require_complete(const char* model) const;
  void mark_all_set();
  // Throws Status::kArgument if there is none.
  const TensorSpec& spec(int64_t index) const;

 private:
  static int64_t aligned(int64_t offset) { return (offset + 15) / 16 * 16; }  // floats of a cache line
  // Where a tensor lies that has no place by its offset.
  struct Place {
    int64_t index;      // of values_, or of the first group of its matrix
    int64_t first = 0;  // in groups: elements of that matrix before it
    bool is_grouped = false;
  };
  void append(std::string name, std::vector<int64_t> shape, bool optional, int64_t offset);
  bool has_places() const { return storage_ == Storage::kBf16 || has_groups(); }
  // Where in values_ the f32 values of the tensor at an offset begin.
  int64_t place(int64_t offset) const { return has_places() ? places_.at(offset).index : offset; }
  WeightView grouped_matrix(int64_t offset) const {
    const Place& place = places_.at(offset);
    if (!place.is_grouped) return values_.data() + place.index;
    return storage_ == Storage::kQ8 ? WeightView(q8_.data() + place.index, place.first)
                                    : WeightView(bf16_groups_.data() + place.index, place.first);
  }
  bool in_groups(const TensorSpec& spec) const { return has_groups() && spec.is_matrix; }
  bool in_bf16(const TensorSpec& spec) const {
    return spec.is_matrix && (storage_ == Storage::kBf16 || storage_ == Storage::kF32AndBf16);
  }
  bool in_f32(const TensorSpec& spec) const { return !spec.is_matrix || !has_places(); }
  // Elements converted at a time, and n of them from element i on, to and from f32 on the host.
  int64_t piece(const TensorSpec& spec) const;
  void store(Stream& stream, const TensorSpec& spec, int64_t i, const float* values, int64_t n);
  void load(Stream& stream, const TensorSpec& spec, int64_t i, float* values, int64_t n) const;
  // The groups that hold n elements of a matrix from element i on.
  struct Groups {
    int64_t begin, count, row;  // row: that of element i, from the first one of the groups on
  };
  Groups groups_of(const TensorSpec& spec, int64_t i, int64_t n) const;
  template <typename Group>
  void store_groups(Stream& stream, Group* stored, const TensorSpec& spec, int64_t i, const float* values,
                    int64_t n);
  template <typename Group>
  void load_groups(Stream& stream, const Group* stored, const TensorSpec& spec, int64_t i, float* values,
                   int64_t n) const;

  std::vector<TensorSpec> specs_;
  std::unordered_map<std::string, size_t> index_;
  Storage storage_ = Storage::kF32;
  std::unique_ptr<TableStore> elsewhere_;
  DeviceBuffer<float> values_;
  DeviceBuffer<Bf16> bf16_;
  DeviceBuffer<Bf16Group> bf16_groups_;
  DeviceBuffer<Q8Group> q8_;
  std::unordered_map<int64_t, Place> places_;  // where has_places(), by offset
  int64_t total_ = 0;                          // end of the last tensor
};

std::string shape_text(const int64_t* shape, int64_t rank);

}  // namespace llasa
