// SPDX-License-Identifier: Apache-2.0
//
// Configurations of callers that were compiled with any header from 2.14 to 2.31: their layouts,
// and what of them counts.
#include "api/nccl_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

namespace thinwire::nccl {
namespace {

using testing::HasSubstr;

// A field of ncclConfig_t, where each version of the header puts it, and which brought it.
struct Field {
  std::string name;
  size_t offset;
  unsigned since;
  int ncclConfig_t::*number;
};
const std::vector<Field>& Numbers() {
  static const std::vector<Field> fields = {
      {"blocking", 16, 21400, &ncclConfig_t::blocking},
      {"cgaClusterSize", 20, 21700, &ncclConfig_t::cgaClusterSize},
      {"minCTAs", 24, 21700, &ncclConfig_t::minCTAs},
      {"maxCTAs", 28, 21700, &ncclConfig_t::maxCTAs},
      {"splitShare", 40, 21800, &ncclConfig_t::splitShare},
      {"trafficClass", 44, 22600, &ncclConfig_t::trafficClass},
      {"collnetEnable", 56, 22700, &ncclConfig_t::collnetEnable},
      {"CTAPolicy", 60, 22700, &ncclConfig_t::CTAPolicy},
      {"shrinkShare", 64, 22700, &ncclConfig_t::shrinkShare},
      {"nvlsCTAs", 68, 22700, &ncclConfig_t::nvlsCTAs},
      {"nChannelsPerNetPeer", 72, 22800, &ncclConfig_t::nChannelsPerNetPeer},
      {"nvlinkCentricSched", 76, 22800, &ncclConfig_t::nvlinkCentricSched},
      {"graphUsageMode", 80, 22900, &ncclConfig_t::graphUsageMode},
      {"numRmaCtx", 84, 22900, &ncclConfig_t::numRmaCtx},
      {"maxP2pPeers", 88, 23000, &ncclConfig_t::maxP2pPeers},
      {"graphStreamOrdering", 92, 23000, &ncclConfig_t::graphStreamOrdering},
      {"launchOrderImplicit", 96, 23100, &ncclConfig_t::launchOrderImplicit},
      {"numRmaSig", 100, 23100, &ncclConfig_t::numRmaSig},
      {"rmaEagerInit", 104, 23100, &ncclConfig_t::rmaEagerInit},
      {"hostCftMode", 108, 23100, &ncclConfig_t::hostCftMode},
  };
  return fields;
}

// Versions of the header that changed the structure, and its size then.
struct Header {
  unsigned version;
  size_t size;
};
constexpr Header kHeaders[] = {{21400, 24}, {21700, 40}, {21800, 48}, {22600, 48}, {22700, 72},
                               {22800, 80}, {22900, 88}, {23000, 96}, {23100, 112}};

TEST(NcclConfigTest, FieldsStandWhereEveryHeaderPutsThem) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  const auto* begin = reinterpret_cast<const std::byte*>(&config);
  for (const Field& field : Numbers()) {
    const auto* at = reinterpret_cast<const std::byte*>(&(config.*field.number));
    EXPECT_EQ(static_cast<size_t>(at - begin), field.offset) << field.name;
  }
  EXPECT_EQ(offsetof(ncclConfig_t, netName), 32u);
  EXPECT_EQ(offsetof(ncclConfig_t, commName), 48u);
  EXPECT_EQ(sizeof(ncclConfig_t), 112u);
  EXPECT_EQ(sizeof(ncclCollConfig_t), 64u);
  EXPECT_EQ(sizeof(ncclSimInfo_t), 24u);
  EXPECT_EQ(sizeof(ncclConfigExt_t), 24u);
}

// What a caller compiled with `header` passes: all its fields 1, and what follows garbage.
std::vector<std::byte> ConfigOf(const Header& header) {
  std::vector<std::byte> bytes(header.size, std::byte{0x5a});
  const ncclConfig_t head = NCCL_CONFIG_INITIALIZER;
  std::memcpy(bytes.data(), &head, offsetof(ncclConfig_t, blocking));
  std::memcpy(bytes.data(), &header.size, sizeof(header.size));
  std::memcpy(bytes.data() + offsetof(ncclConfig_t, version), &header.version,
              sizeof(header.version));
  const int one = 1;
  for (const Field& field : Numbers()) {
    if (field.since > header.version) continue;
    std::memcpy(bytes.data() + field.offset, &one, sizeof(one));
  }
  return bytes;
}

TEST(NcclConfigTest, OnlyWhatItsHeaderHasCounts) {
  for (const Header& header : kHeaders) {
    // As large as the largest, so that what lies beyond the caller's own would show.
    std::vector<std::byte> bytes = ConfigOf(header);
    bytes.resize(sizeof(ncclConfig_t), std::byte{0x5a});
    ncclConfig_t theirs;
    std::memcpy(&theirs, bytes.data(), sizeof(theirs));
    ncclConfig_t mine;
    ASSERT_EQ(ReadConfig(&theirs, &mine), ncclSuccess) << header.version << ": " << OwnError();
    for (const Field& field : Numbers()) {
      EXPECT_EQ(mine.*field.number, field.since <= header.version ? 1 : NCCL_CONFIG_UNDEF_INT)
          << field.name << " of a caller of " << header.version;
    }
  }
}

TEST(NcclConfigTest, PaddingOf2_18IsNoTrafficClass) {
  std::vector<std::byte> bytes = ConfigOf({21800, 48});
  bytes.resize(sizeof(ncclConfig_t));
  ncclConfig_t theirs;
  std::memcpy(&theirs, bytes.data(), sizeof(theirs));
  EXPECT_NE(theirs.trafficClass, NCCL_CONFIG_UNDEF_INT) << "nobody has set it";
  ncclConfig_t mine;
  ASSERT_EQ(ReadConfig(&theirs, &mine), ncclSuccess);
  EXPECT_EQ(mine.trafficClass, NCCL_CONFIG_UNDEF_INT);
  EXPECT_EQ(mine.splitShare, 1);
}

TEST(NcclConfigTest, NullSetsNothing) {
  ncclConfig_t mine;
  ASSERT_EQ(ReadConfig(nullptr, &mine), ncclSuccess);
  EXPECT_EQ(mine.blocking, NCCL_CONFIG_UNDEF_INT);
  EXPECT_EQ(mine.commName, nullptr);
}

TEST(NcclConfigTest, ValuesThatMakeNoSenseAreNamed) {
  const auto refused = [](int ncclConfig_t::*field, int value, const std::string& text) {
    ncclConfig_t theirs = NCCL_CONFIG_INITIALIZER;
    theirs.*field = value;
    ncclConfig_t mine;
    EXPECT_EQ(ReadConfig(&theirs, &mine), ncclInvalidArgument);
    EXPECT_THAT(OwnError(), HasSubstr(text));
  };
  refused(&ncclConfig_t::blocking, 2, "blocking is 2; it must be from 0 to 1");
  refused(&ncclConfig_t::minCTAs, 0, "minCTAs is 0; it must be at least 1");
  refused(&ncclConfig_t::maxCTAs, -3, "maxCTAs is -3");
  refused(&ncclConfig_t::splitShare, 5, "splitShare is 5");
  refused(&ncclConfig_t::shrinkShare, -1, "shrinkShare is -1");
  ncclConfig_t theirs = NCCL_CONFIG_INITIALIZER;
  theirs.minCTAs = 4;
  theirs.maxCTAs = 3;
  ncclConfig_t mine;
  EXPECT_EQ(ReadConfig(&theirs, &mine), ncclInvalidArgument);
  theirs = NCCL_CONFIG_INITIALIZER;
  theirs.magic = 1;
  EXPECT_EQ(ReadConfig(&theirs, &mine), ncclInvalidArgument);
  EXPECT_THAT(OwnError(), HasSubstr("NCCL_CONFIG_INITIALIZER"));
}

TEST(NcclConfigTest, OptionsOfACallAreOursAlone) {
  const uint64_t key = 17;
  ncclConfigExt_t theirs = {nullptr, {12345, 1}, {}};
  theirs.val.s = "not ours";
  ncclConfigExt_t keyed = {&theirs, {THINWIRE_NCCL_VENDOR, THINWIRE_NCCL_KEY}, {}};
  keyed.val.raw = const_cast<uint64_t*>(&key);
  ncclConfigExt_t policy = {&keyed, {THINWIRE_NCCL_VENDOR, THINWIRE_NCCL_POLICY}, {}};
  policy.val.s = "q8";
  ncclCollConfig_t config = NCCL_COLLCONFIG_INITIALIZER;
  config.ext = &policy;
  thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
  ASSERT_EQ(ReadCallConfig(&config, &options), ncclSuccess) << OwnError();
  EXPECT_STREQ(options.policy, "q8");
  EXPECT_EQ(options.key, 17u);
  EXPECT_EQ(options.tensor, nullptr);
  policy.key.optionId = 99;
  EXPECT_EQ(ReadCallConfig(&config, &options), ncclInvalidArgument);
  EXPECT_THAT(OwnError(), HasSubstr("no option 99"));
  config.magic = 0;
  EXPECT_EQ(ReadCallConfig(&config, &options), ncclInvalidArgument);
}

}  // namespace
}  // namespace thinwire::nccl
