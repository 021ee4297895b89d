// SPDX-License-Identifier: Apache-2.0
#include "codec/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

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

TEST(RegistryTest, FindsEveryCodecByItsSpec) {
  for (const std::string_view spec : CodecSpecs()) {
    const auto codec = FindCodec(std::string(spec));
    ASSERT_TRUE(codec.ok()) << codec.status().message();
    EXPECT_EQ(codec.value()->spec(), spec);
    EXPECT_EQ(FindCodec(std::string(spec)).value(), codec.value());
    EXPECT_EQ(4096 % codec.value()->granule(), 0u);
    EXPECT_EQ(std::string(spec).rfind(NameOf(codec.value()->id()), 0), 0u) << spec;
  }
  EXPECT_EQ(FindCodec("raw").value(), &RawCodec());
  EXPECT_EQ(NameOf(static_cast<CodecId>(200)), "");
}

TEST(RegistryTest, EveryFamilyHasASpec) {
  for (const std::string_view name : CodecNames()) {
    EXPECT_TRUE(std::ranges::any_of(CodecSpecs(), [&](std::string_view spec) {
      return spec.substr(0, spec.find_first_of("(+")) == name;
    })) << name;
  }
}

TEST(RegistryTest, UnknownNamesGetASuggestionAndTheList) {
  const std::string message = FindCodec("q9").status().message();
  EXPECT_THAT(message, HasSubstr("did you mean 'q8'?"));
  EXPECT_THAT(message, HasSubstr("raw, bf16, fp16, q8"));
  EXPECT_THAT(FindCodec("bfloat16").status().message(), HasSubstr("did you mean 'bf16'?"));
}

TEST(RegistryTest, StateIsPartOfTheCodec) {
  const Codec& q8 = *FindCodec("q8").value();
  const Codec& residual = *FindCodec("q8+ef").value();
  EXPECT_EQ(residual.spec(), "q8+ef");
  EXPECT_EQ(residual.id(), CodecId::kQ8);
  EXPECT_EQ(residual.feedback(), Feedback::kResidual);
  EXPECT_EQ(&residual.storage(), &RawCodec());
  EXPECT_EQ(residual.AsFloatCodec(), q8.AsFloatCodec());
  EXPECT_EQ(FindCodec("q8 + ef(bf16)").value()->storage().spec(), "bf16");
  EXPECT_EQ(FindCodec("q8+ef(bf16)").value()->spec(), "q8+ef(bf16)");

  const Codec& reference = *FindCodec("delta(q8)").value();
  EXPECT_EQ(reference.feedback(), Feedback::kReference);
  EXPECT_EQ(reference.storage().spec(), "bf16");
  EXPECT_EQ(&reference.first_visit(), &RawCodec());
  EXPECT_EQ(FindCodec("delta(bf16,q8,q8)").value()->first_visit().spec(), "q8");
  for (const char* spec : {"q8+ef", "delta(q8)", "delta(q8,q8)", "delta(bf16,bf16,q8)"}) {
    EXPECT_EQ(FindCodec(spec).value()->spec(), spec);
  }
}

TEST(RegistryTest, TheDefaultElementFormatIsTheShortName) {
  const std::pair<const char*, const char*> cases[] = {
      {"fp8(e4m3)", "fp8"},           {"fp8 ( e5m2 )", "fp8(e5m2)"}, {"mxfp8(e4m3)", "mxfp8"},
      {"mxfp8(e5m2)", "mxfp8(e5m2)"}, {"mxfp6(e2m3)", "mxfp6"},      {"mxfp6(e3m2)", "mxfp6(e3m2)"},
      {"mxfp8(e4m3)+ef", "mxfp8+ef"},
  };
  for (const auto& [spec, canonical] : cases) {
    const auto codec = FindCodec(spec);
    ASSERT_TRUE(codec.ok()) << codec.status().message();
    EXPECT_EQ(codec.value()->spec(), canonical);
    EXPECT_EQ(codec.value(), FindCodec(canonical).value());
  }
}

TEST(RegistryTest, SpecsThatMakeNoSenseAreRefusedWithTheReason) {
  const std::pair<const char*, const char*> cases[] = {
      {"q8(3)", "position 4"},
      {"q8+x", "'+x' (position 3)"},
      {"raw(q8)", "takes no argument"},
      {"raw+ef", "it drops nothing"},
      {"delta(raw)", "it drops nothing"},
      {"delta", "takes the codec of the differences"},
      {"delta(q8)+ef", "the next difference holds what this one dropped"},
      {"delta(q8+ef)", "one state is enough"},
      {"q8+ef+ef", "one state is enough"},
      {"q8+ef(q8,q8)", "takes at most"},
      {"q8+ef(delta(q8))", "can't be kept as"},
      {"delta(q8,bf16,q8+ef)", "first visit can't be sent as"},
      {"delta(3)", "not a number"},
      {"fp8(e4m4)", "e4m3 or e5m2, at position 5"},
      {"mxfp8(8)", "e4m3 or e5m2, at position 7"},
      {"mxfp6(e4m3)", "e2m3 or e3m2, at position 7"},
      {"mxfp6(e2m3(q8))", "e2m3 or e3m2, at position 7"},
      {"fp8(e4m3,e5m2)", "takes at most"},
      {"mxfp4(e2m1)", "takes no argument"},
      {"fp16+ef", "its error can exceed its input"},
  };
  for (const auto& [spec, reason] : cases) {
    const auto codec = FindCodec(spec);
    ASSERT_FALSE(codec.ok()) << spec;
    EXPECT_EQ(codec.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(codec.status().message(), HasSubstr(reason)) << spec;
  }
}

}  // namespace
}  // namespace thinwire
