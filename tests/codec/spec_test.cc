// SPDX-License-Identifier: Apache-2.0
#include "codec/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/codec.h"

namespace thinwire {
namespace {

using testing::HasSubstr;

TEST(SpecTest, PrintsTheCanonicalForm) {
  const std::pair<const char*, const char*> cases[] = {
      {"q8", "q8"},
      {" tk ( 1% , q4 ) + ef ", "tk(1%,q4)+ef"},
      {"delta(rq2)", "delta(rq2)"},
      {"a(1.50,b(2)+c+d,0.1%)+e_1", "a(1.5,b(2)+c+d,0.1%)+e_1"},
  };
  for (const auto& [text, canonical] : cases) {
    auto spec = ParseCodecSpec(text);
    ASSERT_TRUE(spec.ok()) << spec.status().message();
    EXPECT_EQ(FormatCodecSpec(*spec), canonical);
    auto again = ParseCodecSpec(canonical);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(FormatCodecSpec(*again), canonical);
  }
}

TEST(SpecTest, KeepsThePartsAndTheirPositions) {
  auto spec = ParseCodecSpec("tk(1%,q4)+ef");
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(spec->name, "tk");
  ASSERT_EQ(spec->arguments.size(), 2u);
  const auto& number = std::get<CodecSpec::Number>(spec->arguments[0].value);
  EXPECT_EQ(number.value, 1);
  EXPECT_TRUE(number.percent);
  EXPECT_EQ(spec->arguments[1].position, 7u);
  EXPECT_EQ(std::get<CodecSpec>(spec->arguments[1].value).name, "q4");
  ASSERT_EQ(spec->modifiers.size(), 1u);
  EXPECT_EQ(spec->modifiers[0].position, 10u);
}

TEST(SpecTest, ErrorsNameThePosition) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "position 1"},      {"8q", "position 1"},      {"q8+", "position 4"},
      {"tk(", "position 4"},   {"tk(1%", "position 6"},   {"tk()", "position 4"},
      {"q8 q8", "position 4"}, {"Q8", "position 1"},      {"tk(1,)", "position 6"},
      {"q8)", "position 3"},   {"q8(1e9)", "position 5"},
  };
  for (const auto& [text, where] : cases) {
    const auto spec = ParseCodecSpec(text);
    ASSERT_FALSE(spec.ok()) << text;
    EXPECT_EQ(spec.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(spec.status().message(), HasSubstr(where)) << text;
  }
}

TEST(SpecTest, DeepNestingIsAnErrorNotAnOverflow) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "a(";
  EXPECT_FALSE(ParseCodecSpec(text).ok());
  EXPECT_FALSE(ParseCodecSpec(std::string("q8\0x", 4)).ok());
}

TEST(RegistryTest, FindsEveryCodecByNameAndNumber) {
  for (const std::string_view name : CodecNames()) {
    const auto codec = FindCodec(std::string(name));
    ASSERT_TRUE(codec.ok());
    EXPECT_EQ(codec.value()->spec(), name);
    EXPECT_EQ(FindCodec(codec.value()->id()), codec.value());
    EXPECT_EQ(4096 % codec.value()->granule(), 0u);
  }
  EXPECT_EQ(FindCodec("raw").value(), &RawCodec());
  EXPECT_EQ(FindCodec(static_cast<CodecId>(200)), nullptr);
}

TEST(RegistryTest, UnknownNamesGetASuggestionAndTheList) {
  const std::string message = FindCodec("q9").status().message();
  EXPECT_THAT(message, HasSubstr("did you mean 'q8'?"));
  EXPECT_THAT(message, HasSubstr("raw, bf16, q8"));
  EXPECT_THAT(FindCodec("bfloat16").status().message(), HasSubstr("did you mean 'bf16'?"));
}

TEST(RegistryTest, ArgumentsAndModifiersNobodyTakesAreErrors) {
  EXPECT_THAT(FindCodec("q8(3)").status().message(), HasSubstr("position 4"));
  EXPECT_THAT(FindCodec("q8+ef").status().message(), HasSubstr("'+ef' (position 3)"));
  EXPECT_FALSE(FindCodec("raw(q8)").ok());
}

}  // namespace
}  // namespace thinwire
