#include "fixture.h"

#include <gtest/gtest.h>

namespace llasa::test {
namespace {

TEST(Json, ReadsEveryKindOfValue) {
  const Json v =
      Json::parse(R"( {"a": [1, -2.5e3, true, null], "b": {"c": "x\n\u00e9\ud83d\ude00"}, "d": "NaN"} )");
  EXPECT_EQ(v["a"].size(), 4u);
  EXPECT_EQ(v["a"][1].number(), -2500.0);
  EXPECT_TRUE(v["a"][2].boolean());
  EXPECT_TRUE(v["a"][3].is_null());
  EXPECT_EQ(v["b"]["c"].string(), "x\n\xc3\xa9\xf0\x9f\x98\x80");
  EXPECT_NE(v["d"].number(), v["d"].number());
  EXPECT_EQ(v.number_or("missing", 7.0), 7.0);
}

TEST(Json, RefusesBrokenText) {
  for (const char* text : {"", "{", "[1,", "\"abc", "{\"a\" 1}", "1 2", "[1 2]"}) {
    EXPECT_THROW(Json::parse(text), std::runtime_error) << text;
  }
}

TEST(Fixture, ReadsTensorsOfEveryDtypeUsed) {
  const auto forward = cases("llama_forward");
  ASSERT_FALSE(forward.empty());
  for (const auto& path : forward) {
    for (const auto& [name, tensor] : read_checkpoint(path / "model")) {
      EXPECT_EQ(static_cast<int64_t>(tensor.floats().size()), tensor.size()) << name;
    }
    const Tensors expected = read_safetensors(path / "expected.safetensors");
    EXPECT_FALSE(expected.at("seq0.input_ids").integers<int32_t>().empty());
  }
}

}  // namespace
}  // namespace llasa::test
