#include "core/tensor_table.h"

#include <algorithm>

#include "core/convert.h"
#include "core/memory_plan.h"

namespace llasa {

namespace {

// Elements converted at a time: an embedding of a gigabyte or two must not take as much again, and twice.
constexpr int64_t kPiece = int64_t{1} << 20;

}  // namespace

std::string shape_text(const int64_t* shape, int64_t rank) {
  std::string text = "[";
  for (int64_t i = 0; i < rank; ++i) text += (i ? "," : "") + std::to_string(shape[i]);
  return text + "]";
}

void TensorTable::declare(std::string name, std::vector<int64_t> shape, bool optional) {
  append(std::move(name), std::move(shape), optional, aligned(total_));
}

void TensorTable::declare_adjacent(std::string name, std::vector<int64_t> shape) {
  append(std::move(name), std::move(shape), false, total_);
}

void TensorTable::append(std::string name, std::vector<int64_t> shape, bool optional, int64_t offset) {
  TensorSpec spec;
  spec.size = 1;
  for (int64_t extent : shape) spec.size *= extent;
  spec.name = std::move(name);
  spec.shape = std::move(shape);
  spec.optional = optional;
  spec.is_matrix = spec.shape.size() >= 2;
  spec.offset = offset;
  total_ = offset + spec.size;
  const bool inserted = index_.emplace(spec.name, specs_.size()).second;
  LLASA_CHECK(inserted, Status::kInternal, "parameter `%s` declared twice", spec.name.c_str());
  specs_.push_back(std::move(spec));
}

void TensorTable::keep_f32(const std::string& name) {
  find(name);
  specs_[index_.at(name)].is_matrix = false;
}

void TensorTable::allocate(Stream& stream, const char* what, Storage storage) {
  storage_ = storage;
  int64_t floats = count();
  if (storage == Storage::kBf16) {
    floats = 0;
    for (const TensorSpec& spec : specs_) {
      if (spec.is_matrix) continue;
      vector_places_[spec.offset] = floats;
      floats = aligned(floats + spec.size);
    }
  }
  values_.reserve(floats, what);
  zero_on_device(stream, values_.data(), floats * static_cast<int64_t>(sizeof(float)));
  if (storage == Storage::kF32) return;
  bf16_.reserve(count(), what);
  zero_on_device(stream, bf16_.data(), count() * static_cast<int64_t>(sizeof(Bf16)));
}

const float* TensorTable::data() const {
  LLASA_CHECK(storage_ != Storage::kBf16, Status::kState, "the weights are kept in bf16 alone");
  return values_.data();
}

const TensorSpec& TensorTable::find(const std::string& name) const {
  const auto it = index_.find(name);
  LLASA_CHECK(it != index_.end(), Status::kName, "`name`: the model has no tensor `%s`", name.c_str());
  return specs_[it->second];
}

void TensorTable::set(Stream& stream, const std::string& name, DType dtype, const int64_t* shape,
                      int32_t rank, const void* data) {
  const TensorSpec& spec = find(name);
  bool same = rank == static_cast<int32_t>(spec.shape.size());
  for (int32_t i = 0; same && i < rank; ++i) same = shape[i] == spec.shape[static_cast<size_t>(i)];
  LLASA_CHECK(same, Status::kShape, "tensor `%s`: shape %s, expected %s", name.c_str(),
              shape_text(shape, rank).c_str(),
              shape_text(spec.shape.data(), static_cast<int64_t>(spec.shape.size())).c_str());
  const bool keeps_bf16 = spec.is_matrix && storage_ != Storage::kF32;
  const bool keeps_f32 = !spec.is_matrix || storage_ != Storage::kBf16;
  std::vector<float> values(static_cast<size_t>(std::min(spec.size, kPiece)));
  std::vector<Bf16> halves(keeps_bf16 ? values.size() : 0);
  // Everything is looked at before anything is changed.
  for (const bool write : {false, true}) {
    for (int64_t i = 0; i < spec.size; i += kPiece) {
      const int64_t n = std::min(kPiece, spec.size - i);
      const bool finite =
          widen(dtype, static_cast<const char*>(data) + i * dtype_size(dtype), values.data(), n);
      LLASA_CHECK(finite, Status::kNotFinite, "tensor `%s` holds a NaN or an infinity", name.c_str());
      if (keeps_bf16) {
        narrow(DType::kBf16, values.data(), halves.data(), n);
        const bool fits = std::all_of(halves.begin(), halves.begin() + n,
                                      [](Bf16 x) { return (x.bits & 0x7f80u) != 0x7f80u; });
        LLASA_CHECK(fits, Status::kNotFinite, "tensor `%s` holds a value that is too large for bf16",
                    name.c_str());
      }
      if (!write) continue;
      if (keeps_bf16) copy_to_device(stream, bf16_.data() + spec.offset + i, halves.data(), n * 2);
      if (keeps_f32) copy_to_device(stream, values_.data() + place(spec.offset) + i, values.data(), n * 4);
    }
  }
  stream.synchronize();
  specs_[index_.at(name)].is_set = true;
}

void TensorTable::get(Stream& stream, const std::string& name, DType dtype, void* out,
                      int64_t size_bytes) const {
  const TensorSpec& spec = find(name);
  const int64_t expected = spec.size * dtype_size(dtype);
  LLASA_CHECK(size_bytes == expected, Status::kArgument, "`size_bytes` of tensor `%s`: %lld, expected %lld",
              name.c_str(), static_cast<long long>(size_bytes), static_cast<long long>(expected));
  const bool from_bf16 = spec.is_matrix && storage_ == Storage::kBf16;
  std::vector<float> values(static_cast<size_t>(std::min(spec.size, kPiece)));
  std::vector<Bf16> halves(from_bf16 ? values.size() : 0);
  for (int64_t i = 0; i < spec.size; i += kPiece) {
    const int64_t n = std::min(kPiece, spec.size - i);
    if (from_bf16) {
      copy_to_host(stream, halves.data(), bf16_.data() + spec.offset + i, n * 2);
      widen(DType::kBf16, halves.data(), values.data(), n);
    } else {
      copy_to_host(stream, values.data(), values_.data() + place(spec.offset) + i, n * 4);
    }
    narrow(dtype, values.data(), static_cast<char*>(out) + i * dtype_size(dtype), n);
  }
}

void TensorTable::require_complete(const char* model) const {
  if (planning()) return;  // a plan has sizes alone
  std::string missing;
  int64_t unset = 0;
  for (const TensorSpec& spec : specs_) {
    if (spec.is_set || spec.optional) continue;
    if (++unset <= 3) missing += (unset > 1 ? ", `" : "`") + spec.name + "`";
  }
  LLASA_CHECK(unset == 0, Status::kState, "%s: %lld tensors were never set: %s%s", model,
              static_cast<long long>(unset), missing.c_str(), unset > 3 ? ", ..." : "");
}

void TensorTable::mark_all_set() {
  for (TensorSpec& spec : specs_) spec.is_set = true;
}

const TensorSpec& TensorTable::spec(int64_t index) const {
  LLASA_CHECK(index >= 0 && index < static_cast<int64_t>(specs_.size()), Status::kArgument,
              "`index`: %lld, expected 0..%lld", static_cast<long long>(index),
              static_cast<long long>(specs_.size()) - 1);
  return specs_[static_cast<size_t>(index)];
}

}  // namespace llasa
