#include "ops/cast.h"

#include <bit>
#include <limits>

#include "bf16_arrays.h"
#include "isa_test.h"
#include "op_test_util.h"

namespace llasa::test {
namespace {

class Cast : public IsaTest {};
LLASA_FOR_EACH_ISA(Cast);

// Values where rounding decides: ties to either side, one ulp beside them, carries into the exponent,
// subnormals, the largest finite one, infinities; then noise.
std::vector<float> probes(int64_t count) {
  std::vector<float> values = random_floats(count, 9, 3.0f);
  const uint32_t bits[] = {0x3f808000u, 0x3f818000u, 0x3f807fffu, 0x3f808001u, 0x3fffffffu,
                           0x00000001u, 0x00008000u, 0x00018000u, 0x7f7f7fffu, 0x7f7fffffu,
                           0x7f800000u, 0xff800000u, 0x80000000u, 0xbf808000u, 0x007fffffu};
  for (size_t i = 0; i < values.size() && i < std::size(bits); ++i) values[i] = std::bit_cast<float>(bits[i]);
  return values;
}

std::vector<uint32_t> bits_of(const std::vector<float>& values) {
  std::vector<uint32_t> bits;
  for (float v : values) bits.push_back(std::bit_cast<uint32_t>(v));
  return bits;
}

TEST_P(Cast, NarrowsRoundsAndWidensLikeTheHostToTheBit) {
  Stream stream;
  for (int64_t n : kSizes) {
    for (int64_t offset : {0, 1}) {  // aligned and not
      const std::vector<float> values = probes(n + offset);
      const std::vector<float> x(values.begin() + offset, values.end());
      Guarded device_x(values), rounded(values), back(n);
      DeviceArray<Bf16> y(n + offset + 1);
      narrow_to_bf16(stream, device_x.data() + offset, n, y.data() + offset, 1, n);
      round_to_bf16(stream, rounded.data() + offset, n, 1, n);
      widen_to_f32(stream, y.data() + offset, back.data(), n);
      const std::vector<float> expected = rounded_bf16(x), in_place = rounded.values();
      EXPECT_EQ(bits_of(back.values()), bits_of(expected)) << n << " from " << offset;
      EXPECT_EQ(bits_of({in_place.begin() + offset, in_place.end()}), bits_of(expected)) << n;
      const std::vector<Bf16> stored = y.values();
      EXPECT_EQ(stored.back().bits, 0u) << "written past the end";
      if (offset == 1) {
        EXPECT_EQ(stored.front().bits, 0u) << "written before the beginning";
        EXPECT_EQ(in_place.front(), values.front());
      }
    }
  }
}

TEST_P(Cast, RowsThatLieApartAreRoundedAlone) {
  Stream stream;
  const int64_t rows = 5;
  for (int64_t columns : {1, 7, 33, 300}) {
    const int64_t ldx = columns + 3;
    const std::vector<float> x = random_floats(rows * ldx, 4);
    Guarded device_x(x), in_place(x), back(rows * columns);
    DeviceArray<Bf16> y(rows * columns);
    narrow_to_bf16(stream, device_x.data(), ldx, y.data(), rows, columns);
    round_to_bf16(stream, in_place.data(), ldx, rows, columns);
    widen_to_f32(stream, y.data(), back.data(), rows * columns);
    const std::vector<float> dense = back.values(), apart = in_place.values(), all = rounded_bf16(x);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < ldx; ++c) {
        const auto i = static_cast<size_t>(r * ldx + c);
        EXPECT_EQ(apart[i], c < columns ? all[i] : x[i]) << r << ", " << c;
        if (c < columns) {
          EXPECT_EQ(dense[static_cast<size_t>(r * columns + c)], all[i]) << r << ", " << c;
        }
      }
    }
  }
}

TEST_P(Cast, NanStaysNan) {
  Stream stream;
  // The last would become infinity if the lower half were cut off, or overflow if it were rounded up.
  const uint32_t bits[] = {0x7fc00000u, 0xffc00001u, 0x7fffffffu, 0x7f800001u};
  std::vector<float> x;
  for (uint32_t b : bits) x.push_back(std::bit_cast<float>(b));
  Guarded device_x(x), back(4), in_place(x);
  DeviceArray<Bf16> y(4);
  narrow_to_bf16(stream, device_x.data(), 4, y.data(), 1, 4);
  widen_to_f32(stream, y.data(), back.data(), 4);
  round_to_bf16(stream, in_place.data(), 4, 1, 4);
  for (float v : back.values()) EXPECT_TRUE(std::isnan(v));
  for (float v : in_place.values()) EXPECT_TRUE(std::isnan(v));
}

TEST_P(Cast, OfNothingWritesNothing) {
  Stream stream;
  Guarded x(4);
  DeviceArray<Bf16> y(4);
  narrow_to_bf16(stream, x.data(), 4, y.data(), 0, 4);
  narrow_to_bf16(stream, x.data(), 4, y.data(), 1, 0);
  widen_to_f32(stream, y.data(), x.data(), 0);
  round_to_bf16(stream, x.data(), 4, 0, 4);
  for (Bf16 v : y.values()) EXPECT_EQ(v.bits, 0u);
  x.values();
}

}  // namespace
}  // namespace llasa::test
