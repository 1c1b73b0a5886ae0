#include "core/tensor_table.h"

#include <algorithm>

#include "core/convert.h"
#include "core/half.h"
#include "core/memory_plan.h"

namespace llasa {

namespace {

// Elements converted at a time: an embedding of a gigabyte or two must not take as much again, and twice.
constexpr int64_t kPiece = int64_t{1} << 20;

bool fits_bf16(float value) {
  return (float_to_bf16(value) & 0x7f80u) != 0x7f80u;
}

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
  specs_.back().is_adjacent = true;
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
  int64_t floats = has_places() ? 0 : count(), groups = 0;
  for (TensorSpec& spec : specs_) {
    if (!has_places()) break;
    if (storage == Storage::kQ8 && spec.is_matrix && !fits_groups(spec.row())) spec.is_matrix = false;
    if (in_groups(spec)) {
      LLASA_CHECK(fits_groups(spec.row()), Status::kInternal, "rows of `%s` do not fit groups",
                  spec.name.c_str());
      // Adjacent ones share their groups.
      Place place{groups, 0, true};
      if (spec.is_adjacent) {
        const TensorSpec& before = specs_[index_.at(spec.name) - 1];
        place = places_.at(before.offset);
        place.first += before.size;
      }
      places_[spec.offset] = place;
      groups = place.index + count_groups(place.first / spec.row() + spec.shape[0], spec.row());
    } else if (!spec.is_matrix) {
      if (!spec.is_adjacent) floats = aligned(floats);
      places_[spec.offset] = {floats};
      floats += spec.size;
    }
  }
  floats = aligned(floats);
  values_.reserve(floats, what);
  zero_on_device(stream, values_.data(), floats * static_cast<int64_t>(sizeof(float)));
  if (storage == Storage::kQ8) {
    q8_.reserve(groups, what);
    zero_on_device(stream, q8_.data(), groups * static_cast<int64_t>(sizeof(Q8Group)));
  } else if (storage == Storage::kBf16Groups) {
    bf16_groups_.reserve(groups, what);
    zero_on_device(stream, bf16_groups_.data(), groups * static_cast<int64_t>(sizeof(Bf16Group)));
  } else if (storage != Storage::kF32) {
    bf16_.reserve(count(), what);
    zero_on_device(stream, bf16_.data(), count() * static_cast<int64_t>(sizeof(Bf16)));
  }
}

void TensorTable::hand_over(std::unique_ptr<TableStore> store) {
  elsewhere_ = std::move(store);
  values_ = {};
  bf16_ = {};
  bf16_groups_ = {};
  q8_ = {};
}

void TensorTable::ungroup(Stream& stream) {
  if (storage_ != Storage::kBf16Groups) return;
  bf16_.reserve(count(), "the weights in rows");
  zero_on_device(stream, bf16_.data(), count() * static_cast<int64_t>(sizeof(Bf16)));
  for (const TensorSpec& spec : specs_) {
    if (!spec.is_matrix || planning()) continue;
    const int64_t most = piece(spec);
    std::vector<float> values(static_cast<size_t>(std::min(spec.size, most)));
    std::vector<Bf16> halves(values.size());
    for (int64_t i = 0; i < spec.size; i += most) {
      const int64_t n = std::min(most, spec.size - i);
      load(stream, spec, i, values.data(), n);
      narrow(DType::kBf16, values.data(), halves.data(), n);
      copy_to_device(stream, bf16_.data() + spec.offset + i, halves.data(), n * 2);
    }
  }
  stream.synchronize();
  bf16_groups_ = {};
  storage_ = Storage::kBf16;
}

const float* TensorTable::data() const {
  LLASA_CHECK(elsewhere_ == nullptr, Status::kState, "the weights are shared out over ranks");
  LLASA_CHECK(!has_places(), Status::kState, "the weights are kept in %s alone",
              storage_ == Storage::kQ8 ? "8 bits" : "bf16");
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
  const int64_t most = piece(spec);
  std::vector<float> values(static_cast<size_t>(std::min(spec.size, most)));
  // Everything is looked at before anything is changed.
  for (const bool write : {false, true}) {
    for (int64_t i = 0; i < spec.size; i += most) {
      const int64_t n = std::min(most, spec.size - i);
      const bool finite =
          widen(dtype, static_cast<const char*>(data) + i * dtype_size(dtype), values.data(), n);
      LLASA_CHECK(finite, Status::kNotFinite, "tensor `%s` holds a NaN or an infinity", name.c_str());
      const bool fits = !(in_bf16(spec) || (in_groups(spec) && storage_ == Storage::kBf16Groups)) ||
                        std::all_of(values.begin(), values.begin() + n, fits_bf16);
      LLASA_CHECK(fits, Status::kNotFinite, "tensor `%s` holds a value that is too large for bf16",
                  name.c_str());
      if (write) store(stream, spec, i, values.data(), n);
    }
  }
  stream.synchronize();
  specs_[index_.at(name)].is_set = true;
}

void TensorTable::get(Stream& stream, const std::string& name, DType dtype, void* out,
                      int64_t size_bytes) const {
  const TensorSpec& spec = find(name);
  const int64_t expected = spec.size * dtype_size(dtype), most = piece(spec);
  LLASA_CHECK(size_bytes == expected, Status::kArgument, "`size_bytes` of tensor `%s`: %lld, expected %lld",
              name.c_str(), static_cast<long long>(size_bytes), static_cast<long long>(expected));
  std::vector<float> values(static_cast<size_t>(std::min(spec.size, most)));
  for (int64_t i = 0; i < spec.size; i += most) {
    const int64_t n = std::min(most, spec.size - i);
    load(stream, spec, i, values.data(), n);
    narrow(dtype, values.data(), static_cast<char*>(out) + i * dtype_size(dtype), n);
  }
}

void TensorTable::copy_from(Stream& stream, const TensorTable& source) {
  for (TensorSpec& spec : specs_) {
    const TensorSpec& from = source.find(spec.name);
    const int64_t most = piece(spec);
    std::vector<float> values(static_cast<size_t>(std::min(spec.size, most)));
    for (int64_t i = 0; i < spec.size; i += most) {
      const int64_t n = std::min(most, spec.size - i);
      source.load(stream, from, i, values.data(), n);
      store(stream, spec, i, values.data(), n);
    }
  }
}

int64_t TensorTable::piece(const TensorSpec& spec) const {
  return std::max<int64_t>(1, kPiece / spec.row()) * spec.row();  // whole rows, wherever they go
}

TensorTable::Groups TensorTable::groups_of(const TensorSpec& spec, int64_t i, int64_t n) const {
  const Place& place = places_.at(spec.offset);
  const int64_t first = (place.first + i) / spec.row(), last = first + n / spec.row() - 1;
  const int64_t block = first / Q8Group::kRows, blocks = last / Q8Group::kRows - block + 1;
  const int64_t across = spec.row() / Q8Group::kColumns;
  return {place.index + block * across, blocks * across, first % Q8Group::kRows};
}

void TensorTable::store(Stream& stream, const TensorSpec& spec, int64_t i, const float* values, int64_t n) {
  if (elsewhere_ != nullptr) return elsewhere_->store(stream, spec, i, values, n);
  if (in_f32(spec)) copy_to_device(stream, values_.data() + place(spec.offset) + i, values, n * 4);
  if (in_bf16(spec)) {
    std::vector<Bf16> halves(static_cast<size_t>(n));
    narrow(DType::kBf16, values, halves.data(), n);
    copy_to_device(stream, bf16_.data() + spec.offset + i, halves.data(), n * 2);
  }
  if (in_groups(spec) && storage_ == Storage::kQ8) store_groups(stream, q8_.data(), spec, i, values, n);
  if (in_groups(spec) && storage_ == Storage::kBf16Groups) {
    store_groups(stream, bf16_groups_.data(), spec, i, values, n);
  }
}

template <typename Group>
void TensorTable::store_groups(Stream& stream, Group* stored, const TensorSpec& spec, int64_t i,
                               const float* values, int64_t n) {
  const auto [begin, count, row] = groups_of(spec, i, n);
  const int64_t K = spec.row(), bytes = count * static_cast<int64_t>(sizeof(Group));
  std::vector<Group> groups(static_cast<size_t>(count));
  copy_to_host(stream, groups.data(), stored + begin, bytes);  // rows of others may be among them
  for (int64_t r = 0; r < n / K; ++r) {
    const int64_t block = (row + r) / Group::kRows;
    store_row(groups.data() + block * (K / Group::kColumns), (row + r) % Group::kRows, values + r * K, K);
  }
  copy_to_device(stream, stored + begin, groups.data(), bytes);
}

template <typename Group>
void TensorTable::load_groups(Stream& stream, const Group* stored, const TensorSpec& spec, int64_t i,
                              float* values, int64_t n) const {
  const auto [begin, count, row] = groups_of(spec, i, n);
  const int64_t K = spec.row();
  std::vector<Group> groups(static_cast<size_t>(count));
  copy_to_host(stream, groups.data(), stored + begin, count * static_cast<int64_t>(sizeof(Group)));
  for (int64_t r = 0; r < n / K; ++r) {
    const int64_t block = (row + r) / Group::kRows;
    load_row(groups.data() + block * (K / Group::kColumns), (row + r) % Group::kRows, values + r * K, K);
  }
}

void TensorTable::load(Stream& stream, const TensorSpec& spec, int64_t i, float* values, int64_t n) const {
  if (elsewhere_ != nullptr) return elsewhere_->load(stream, spec, i, values, n);
  if (in_f32(spec)) {
    copy_to_host(stream, values, values_.data() + place(spec.offset) + i, n * 4);
  } else if (in_bf16(spec)) {
    std::vector<Bf16> halves(static_cast<size_t>(n));
    copy_to_host(stream, halves.data(), bf16_.data() + spec.offset + i, n * 2);
    widen(DType::kBf16, halves.data(), values, n);
  } else if (storage_ == Storage::kQ8) {
    load_groups(stream, q8_.data(), spec, i, values, n);
  } else {
    load_groups(stream, bf16_groups_.data(), spec, i, values, n);
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
