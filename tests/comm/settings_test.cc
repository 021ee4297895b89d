// SPDX-License-Identifier: Apache-2.0
#include "comm/settings.h"

#include <gtest/gtest.h>

namespace thinwire {
namespace {

SharedSettings Sample() {
  SharedSettings settings;
  settings.address = std::string("ucx\0blob", 8);
  settings.meeting_place = std::string("place\0x", 7);
  settings.link = "rate=1gbit";
  settings.segment_bytes = 65536;
  settings.epoch = 0xfedcba98;
  return settings;
}

TEST(SharedSettingsTest, ComeBackAsTheyWere) {
  const auto back = SharedSettings::Unpack(Sample().Pack());
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back.value().address, Sample().address);
  EXPECT_EQ(back.value().meeting_place, Sample().meeting_place);
  EXPECT_EQ(back.value().link, Sample().link);
  EXPECT_EQ(back.value().segment_bytes, Sample().segment_bytes);
  EXPECT_EQ(back.value().epoch, Sample().epoch);
}

TEST(SharedSettingsTest, EveryTruncationIsRefused) {
  const std::string blob = Sample().Pack();
  for (size_t size = 0; size < blob.size(); ++size) {
    EXPECT_FALSE(SharedSettings::Unpack(blob.substr(0, size)).ok()) << size;
  }
}

TEST(SharedSettingsTest, AHugeLengthIsRefused) {
  EXPECT_FALSE(SharedSettings::Unpack(std::string(8, '\xff') + "text").ok());
}

TEST(SharedSettingsTest, AnEmulatedLinkIsAKnownOne) {
  Env env;
  env.shape = "rate=1gbit,delay=5ms";
  EXPECT_EQ(SharedSettings::FromEnv(env, "shaped(ucx)").value().link, env.shape);
  env.link = "rate=2gbit";
  EXPECT_EQ(SharedSettings::FromEnv(env, "shaped(ucx)").value().link, env.link);
}

TEST(SharedSettingsTest, LinksAreMeasuredUnlessGivenUnknownOrWithinTheProcess) {
  Env env;
  EXPECT_EQ(SharedSettings::FromEnv(env, "ucx").value().link, kMeasureLinks);
  EXPECT_EQ(SharedSettings::FromEnv(env, "loopback").value().link, "");
  env.link = "unknown";
  EXPECT_EQ(SharedSettings::FromEnv(env, "ucx").value().link, "");
  env.link = "measure";
  EXPECT_EQ(SharedSettings::FromEnv(env, "loopback").value().link, kMeasureLinks);
}

}  // namespace
}  // namespace thinwire
