// The kernels that read and write bf16, each array of theirs in turn an element too short, or not written to its end: the
// simulator must report the access by the kernel's name, and nothing where all is as it should be. The arithmetic of
// these kernels is held by the tests of their operations.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "core/device.h"
#include "core/half.h"
#include "fault.h"
#include "ops/activation.h"
#include "ops/attention.h"
#include "ops/attention_decode.h"
#include "ops/attention_full.h"
#include "ops/attention_plan.h"
#include "ops/dropout.h"
#include "ops/norm.h"
#include "ops/rope.h"
#include "ops/transcript.h"

namespace llasa::test {
namespace {

enum class Element { kF32, kBf16, kI32 };

// An array of a kernel's.
struct Argument {
  const char* name;
  Element element;
  int64_t count;
  bool reads;

  int64_t element_bytes() const { return element == Element::kBf16 ? 2 : 4; }
};

// On the device, without its last `missing` elements, and all but its last `unwritten` ones written.
class Memory {
 public:
  Memory(Stream& stream, const Argument& argument, int64_t missing, int64_t unwritten) {
    const int64_t bytes = (argument.count - missing) * argument.element_bytes();
    memory_.reserve(bytes, argument.name);
    if (!argument.reads) return;
    std::vector<unsigned char> values(static_cast<size_t>(bytes));
    for (int64_t i = 0; i < argument.count - missing; ++i) {
      const float x = 0.25f * static_cast<float>(i % 13 - 6);
      const uint16_t narrow = float_to_bf16(x);
      const auto last =
          static_cast<int32_t>(argument.count - 1);  // of the positions: the last row of their table
      const void* value = argument.element == Element::kBf16  ? static_cast<const void*>(&narrow)
                          : argument.element == Element::kF32 ? static_cast<const void*>(&x)
                                                              : &last;
      std::memcpy(&values[static_cast<size_t>(i * argument.element_bytes())], value,
                  static_cast<size_t>(argument.element_bytes()));
    }
    copy_to_device(stream, memory_.data(), values.data(), bytes - unwritten * argument.element_bytes());
    stream.synchronize();
  }
  float* f32() { return reinterpret_cast<float*>(memory_.data()); }
  Bf16* bf16() { return reinterpret_cast<Bf16*>(memory_.data()); }
  int32_t* i32() { return reinterpret_cast<int32_t*>(memory_.data()); }

 private:
  DeviceBuffer<unsigned char> memory_;
};

struct Case {
  const char* name;
  const char* kernel;  // what the message must name: one of those that read or write an array
  std::vector<Argument> arguments;
  std::function<void(Stream&, std::vector<Memory>&)> run;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.name;
}

constexpr bool kReads = true, kWrites = false;
constexpr Element kF = Element::kF32, kB = Element::kBf16, kI = Element::kI32;

// Rows in fours and rows that are not, which other kernels take.
void add_elementwise(std::vector<Case>& cases, int64_t C) {
  constexpr int64_t T = 3;
  const int64_t n = T * C;
  cases.push_back(
      {"rmsnorm",
       "rmsnorm_forward_kernel",
       {{"x", kF, n, kReads}, {"weight", kF, C, kReads}, {"y", kB, n, kWrites}, {"rstd", kF, T, kWrites}},
       [=](Stream& s, std::vector<Memory>& m) {
         rmsnorm_forward(s, m[0].f32(), m[1].f32(), m[2].bf16(), m[3].f32(), T, C, 1e-5f);
       }});
  cases.push_back({"add_rmsnorm",
                   "rmsnorm_forward_kernel",
                   {{"a", kF, n, kReads},
                    {"b", kF, n, kReads},
                    {"weight", kF, C, kReads},
                    {"sum", kF, n, kWrites},
                    {"y", kB, n, kWrites}},
                   [=](Stream& s, std::vector<Memory>& m) {
                     add_rmsnorm_forward(s, m[0].f32(), m[1].f32(), m[2].f32(), m[3].f32(), m[4].bf16(),
                                         nullptr, T, C, 1e-5f);
                   }});
  cases.push_back({"rmsnorm_gradient",
                   "rmsnorm_backward_kernel",
                   {{"x", kF, n, kReads},
                    {"weight", kF, C, kReads},
                    {"rstd", kF, T, kReads},
                    {"dy", kF, n, kReads},
                    {"dx", kF, n, kReads},
                    {"narrowed", kB, n, kWrites}},
                   [=](Stream& s, std::vector<Memory>& m) {
                     rmsnorm_backward(s, m[0].f32(), m[1].f32(), m[2].f32(), m[3].f32(), m[4].f32(), nullptr,
                                      T, C, m[5].bf16());
                   }});
  cases.push_back(
      {"layernorm",
       "layernorm_forward_kernel",
       {{"x", kF, n, kReads}, {"weight", kF, C, kReads}, {"bias", kF, C, kReads}, {"y", kB, n, kWrites}},
       [=](Stream& s, std::vector<Memory>& m) {
         layernorm_forward(s, m[0].f32(), m[1].f32(), m[2].f32(), m[3].bf16(), T, C, 1e-5f);
       }});
  const auto add_activation = [&](const char* name, decltype(&gelu_forward) activation) {
    cases.push_back({name,
                     "elementwise_kernel",
                     {{"x", kF, n, kReads}, {"y", kB, n, kWrites}},
                     [=](Stream& s, std::vector<Memory>& m) { activation(s, m[0].f32(), m[1].bf16(), n); }});
  };
  add_activation("silu", silu_forward);
  add_activation("gelu", gelu_forward);
  cases.push_back({"gather",
                   "gather_rows_kernel",
                   {{"x", kB, n, kReads}, {"y", kB, 2 * C, kWrites}},
                   [=](Stream& s, std::vector<Memory>& m) {
                     DeviceBuffer<int64_t> rows;
                     rows.upload(s, std::vector<int64_t>{0, T - 1}, "rows");
                     gather_rows(s, m[0].bf16(), rows.data(), m[1].bf16(), 2, C);
                     s.synchronize();
                   }});
  cases.push_back(
      {"swiglu",
       "swiglu_forward_kernel",
       {{"gate_up", kB, 2 * n, kReads}, {"y", kB, n, kWrites}},
       [=](Stream& s, std::vector<Memory>& m) { swiglu_forward(s, m[0].bf16(), m[1].bf16(), T, C); }});
  cases.push_back({"swiglu_gradient",
                   "swiglu_backward_kernel",
                   {{"gate_up", kB, 2 * n, kReads},
                    {"dy", kB, n, kReads},
                    {"dgate_up", kB, 2 * n, kWrites},
                    {"y", kB, n, kWrites}},
                   [=](Stream& s, std::vector<Memory>& m) {
                     swiglu_backward(s, m[0].bf16(), m[1].bf16(), m[2].bf16(), m[3].bf16(), T, C);
                   }});
  const DropoutMask kept{0.0f, 1, 2};  // all of them, or what is dropped would not be read
  cases.push_back(
      {"dropout",
       "dropout_kernel",
       {{"x", kB, n, kReads}, {"y", kB, n, kWrites}},
       [=](Stream& s, std::vector<Memory>& m) { dropout_forward(s, m[0].bf16(), m[1].bf16(), n, kept); }});
  cases.push_back(
      {"dropout_gradient",
       "dropout_kernel",
       {{"dy", kF, n, kReads}, {"dx", kB, n, kReads}},
       [=](Stream& s, std::vector<Memory>& m) { dropout_backward(s, m[0].f32(), m[1].bf16(), n, kept); }});
}

// Heads in fours of columns and heads that are not.
void add_attention(std::vector<Case>& cases, int64_t D) {
  constexpr int64_t T = 21, H = 2, G = 1;
  const AttentionShape shape{H, G, D};
  const std::vector<AttentionGroup> groups = {{{0, 5}, {{5, 13}, {13, T}}}};
  const int64_t row = shape.row(), out = H * D, table = T * D;
  cases.push_back({"rope",
                   "rope_kernel",
                   {{"x", kF, T * row, kReads},
                    {"y", kB, T * row, kWrites},
                    {"positions", kI, T, kReads},
                    {"table", kF, table, kReads}},
                   [=](Stream& s, std::vector<Memory>& m) {
                     rope_forward(s, m[0].f32(), m[1].bf16(), m[2].i32(), m[3].f32(), T, H + G, D, row);
                   }});
  cases.push_back({"rope_gradient",
                   "rope_kernel",
                   {{"dy", kF, T * row, kReads},
                    {"dx", kB, T * row, kWrites},
                    {"positions", kI, T, kReads},
                    {"table", kF, table, kReads}},
                   [=](Stream& s, std::vector<Memory>& m) {
                     rope_backward(s, m[0].f32(), m[1].bf16(), m[2].i32(), m[3].f32(), T, H + G, D, row);
                   }});
  cases.push_back({"attention",
                   "attention_mma_forward_",
                   {{"qkv", kB, T * row, kReads}, {"out", kB, T * out, kWrites}, {"lse", kF, T * H, kWrites}},
                   [=](Stream& s, std::vector<Memory>& m) {
                     attention_forward(s, m[0].bf16(), m[1].bf16(), m[2].f32(), groups, shape,
                                       Precision::kBf16);
                   }});
  cases.push_back({"attention_gradient",
                   "attention_mma_d",
                   {{"qkv", kB, T * row, kReads},
                    {"out", kB, T * out, kReads},
                    {"lse", kF, T * H, kReads},
                    {"dout", kB, T * out, kReads},
                    {"dqkv", kF, T * row, kWrites}},
                   [=](Stream& s, std::vector<Memory>& m) {
                     attention_backward(s, m[0].bf16(), m[1].bf16(), m[2].f32(), m[3].bf16(), m[4].f32(),
                                        groups, shape, Precision::kBf16);
                   }});
  // Each row sees the one token of a block of its own, of keys and values in bf16.
  cases.push_back({"attention_decode",
                   "attention_decode_combine_kernel",
                   {{"out", kB, T * out, kWrites}},
                   [=](Stream& s, std::vector<Memory>& m) {
                     const DecodeShape decode{H, G, D, DType::kBf16};
                     DeviceBuffer<float> qkv(T * decode.row(), "rows");
                     DeviceBuffer<Bf16> blocks(T * decode.layer_elements(), "blocks");
                     zero_on_device(s, qkv.data(), T * decode.row() * 4);
                     zero_on_device(s, blocks.data(), T * decode.layer_elements() * 2);
                     std::vector<void*> tables;
                     std::vector<DecodeRow> rows;
                     for (int64_t t = 0; t < T; ++t) {
                       tables.push_back(blocks.data() + t * decode.layer_elements());
                       rows.push_back({0, t, 0, 1});
                     }
                     DeviceBuffer<void*> device_tables;
                     DeviceBuffer<DecodeRow> device_rows;
                     device_tables.upload(s, tables, "tables");
                     device_rows.upload(s, rows, "rows");
                     attention_decode(s, qkv.data(), m[0].bf16(), device_rows.data(), device_tables.data(), 0,
                                      T, decode);
                     s.synchronize();
                   }});
  // All rows behind one prefix of whole blocks; what they see of their own is another array.
  constexpr int64_t kPrefix = 3;
  const DecodeShape decode{H, G, D, DType::kBf16};
  cases.push_back(
      {"attention_decode_prefix",
       "attention_decode_kernel",
       {{"prefix", kB, kPrefix * decode.layer_elements(), kReads}},
       [=](Stream& s, std::vector<Memory>& m) {
         DeviceBuffer<float> qkv(T * decode.row(), "rows"), y(T * out, "outputs");
         DeviceBuffer<Bf16> own(decode.layer_elements(), "blocks");
         zero_on_device(s, qkv.data(), T * decode.row() * 4);
         zero_on_device(s, own.data(), decode.layer_elements() * 2);
         std::vector<void*> tables = {own.data()};
         for (int64_t b = 0; b < kPrefix; ++b) tables.push_back(m[0].bf16() + b * decode.layer_elements());
         const std::vector<DecodeRow> rows(T, {1, 0, static_cast<int32_t>(kPrefix * kKvBlock), 1});
         DeviceBuffer<void*> device_tables;
         DeviceBuffer<DecodeRow> device_rows;
         device_tables.upload(s, tables, "tables");
         device_rows.upload(s, rows, "rows");
         attention_decode(s, qkv.data(), y.data(), device_rows.data(), device_tables.data(), 0, T, decode);
         s.synchronize();
       }});
}

// Attention of whole clips, and of the rows of a decode loop, each of which sees the one place of its cache that it has
// to write first.
void add_full_attention(std::vector<Case>& cases, int64_t D, Precision precision) {
  constexpr int64_t T = 21, H = 2;
  const int64_t C = H * D, row = 3 * C;
  cases.push_back(
      {"attention_full",
       uses_tensor_cores(precision, D) ? "attention_mma_forward_kernel" : "attention_forward_kernel",
       {{"qkv", kF, T * row, kReads}, {"y", kB, T * C, kWrites}},
       [=](Stream& s, std::vector<Memory>& m) {
         const int64_t offsets[] = {0, 5, T};
         const float* qkv = m[0].f32();
         attention_full_forward(s, qkv, qkv + C, qkv + 2 * C, m[1].bf16(), offsets, 2, H, D, row, 0.3f, false,
                                precision);
         s.synchronize();
       }});
  cases.push_back({"cached_attention",
                   "cached_attention_kernel",
                   {{"qkv", kF, T * row, kReads}, {"y", kB, T * C, kWrites}},
                   [=](Stream& s, std::vector<Memory>& m) {
                     const int64_t slot = key_value_slot_size(C, 16);
                     DeviceBuffer<Bf16> memory(T * slot, "caches");
                     const KeyValueCache cache{memory.data(), C, 16, DType::kBf16};
                     std::vector<DecodeRow> rows;
                     for (int64_t t = 0; t < T; ++t) rows.push_back({0, t, 0, 1});
                     DeviceBuffer<DecodeRow> device_rows;
                     device_rows.upload(s, rows, "rows");
                     const float* qkv = m[0].f32();
                     cached_attention_rows(s, qkv, {qkv + C, qkv + 2 * C}, row, cache, m[1].bf16(),
                                           device_rows.data(), 0, T, H, D, 0.3f);
                     s.synchronize();
                   }});
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const int64_t C : {40, 27}) add_elementwise(all, C);
  for (const int64_t D : {64, 34}) add_attention(all, D);
  add_full_attention(all, 64, Precision::kBf16);
  add_full_attention(all, 34, Precision::kF32);
  return all;
}

class Bf16Fault : public testing::TestWithParam<Case> {};

// What the operation reports with one of its arrays too short, or unwritten at its end; -1: none of them.
std::string fault_of(const Case& c, int cut, int unwritten) {
  Stream stream;
  std::string message;
  try {
    std::vector<Memory> memory;
    memory.reserve(c.arguments.size());
    for (int i = 0; i < static_cast<int>(c.arguments.size()); ++i)
      memory.emplace_back(stream, c.arguments[static_cast<size_t>(i)], i == cut ? 1 : 0,
                          i == unwritten ? 1 : 0);
    c.run(stream, memory);
    stream.synchronize();
  } catch (const Error& error) {
    message = error.what();
  }
  cudasim::reset_device();
  return message;
}

TEST_P(Bf16Fault, IsFoundInEveryArray) {
  const Case& c = GetParam();
  EXPECT_EQ(fault_of(c, -1, -1), "");
  for (int i = 0; i < static_cast<int>(c.arguments.size()); ++i) {
    const Argument& argument = c.arguments[static_cast<size_t>(i)];
    const std::string cut = fault_of(c, i, -1);
    EXPECT_NE(cut.find(c.kernel), std::string::npos) << argument.name << ": " << cut;
    EXPECT_NE(cut.find("out-of-bounds"), std::string::npos) << argument.name << ": " << cut;
    if (!argument.reads) continue;
    const std::string unwritten = fault_of(c, -1, i);
    EXPECT_NE(unwritten.find(c.kernel), std::string::npos) << argument.name << ": " << unwritten;
    EXPECT_NE(unwritten.find("uninitialised read"), std::string::npos) << argument.name << ": " << unwritten;
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, Bf16Fault, testing::ValuesIn(cases()));

}  // namespace
}  // namespace llasa::test
