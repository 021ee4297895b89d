// SPDX-License-Identifier: Apache-2.0
#include "api/nccl_config.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

namespace thinwire::nccl {
namespace {

// Fields that a version brought, by where they begin in the structure.
struct Since {
  unsigned version;
  size_t offset;
};
constexpr Since kFields[] = {
    {NCCL_VERSION(2, 14, 0), offsetof(ncclConfig_t, blocking)},
    {NCCL_VERSION(2, 17, 0), offsetof(ncclConfig_t, cgaClusterSize)},
    {NCCL_VERSION(2, 18, 0), offsetof(ncclConfig_t, splitShare)},
    {NCCL_VERSION(2, 26, 0), offsetof(ncclConfig_t, trafficClass)},
    {NCCL_VERSION(2, 27, 0), offsetof(ncclConfig_t, commName)},
    {NCCL_VERSION(2, 28, 0), offsetof(ncclConfig_t, nChannelsPerNetPeer)},
    {NCCL_VERSION(2, 29, 0), offsetof(ncclConfig_t, graphUsageMode)},
    {NCCL_VERSION(2, 30, 0), offsetof(ncclConfig_t, maxP2pPeers)},
    {NCCL_VERSION(2, 31, 0), offsetof(ncclConfig_t, launchOrderImplicit)},
};

// How many bytes of a configuration its caller has set.
size_t BytesSet(size_t size, unsigned version) {
  for (const Since& since : kFields) {
    if (version < since.version) return std::min(size, since.offset);
  }
  return std::min(size, sizeof(ncclConfig_t));
}

struct Range {
  const char* name;
  int value;
  int least;
  int most;
};

ncclResult_t CheckRanges(std::span<const Range> ranges) {
  for (const Range& range : ranges) {
    if (range.value == NCCL_CONFIG_UNDEF_INT) continue;
    if (range.value >= range.least && range.value <= range.most) continue;
    const std::string limits = range.most == INT_MAX ? "at least " + std::to_string(range.least)
                                                     : "from " + std::to_string(range.least) +
                                                           " to " + std::to_string(range.most);
    return Refuse(ncclInvalidArgument, "config: " + std::string(range.name) + " is " +
                                           std::to_string(range.value) + "; it must be " + limits);
  }
  return ncclSuccess;
}

ncclResult_t CheckHead(unsigned magic, size_t size, const char* initializer) {
  if (magic == NCCL_API_MAGIC && size >= offsetof(ncclConfig_t, blocking)) return ncclSuccess;
  return Refuse(ncclInvalidArgument, std::string("config was not initialised with ") + initializer);
}

}  // namespace

ncclResult_t ReadConfig(const ncclConfig_t* theirs, ncclConfig_t* mine) {
  *mine = NCCL_CONFIG_INITIALIZER;
  if (theirs == nullptr) return ncclSuccess;
  if (const ncclResult_t head = CheckHead(theirs->magic, theirs->size, "NCCL_CONFIG_INITIALIZER");
      head != ncclSuccess) {
    return head;
  }
  std::memcpy(mine, theirs, BytesSet(theirs->size, theirs->version));
  mine->size = sizeof(*mine);
  const Range ranges[] = {
      {"blocking", mine->blocking, 0, 1},           {"cgaClusterSize", mine->cgaClusterSize, 0, 8},
      {"minCTAs", mine->minCTAs, 1, INT_MAX},       {"maxCTAs", mine->maxCTAs, 1, INT_MAX},
      {"splitShare", mine->splitShare, 0, 1},       {"shrinkShare", mine->shrinkShare, 0, 1},
      {"collnetEnable", mine->collnetEnable, 0, 1},
  };
  if (const ncclResult_t fits = CheckRanges(ranges); fits != ncclSuccess) return fits;
  const bool both =
      mine->minCTAs != NCCL_CONFIG_UNDEF_INT && mine->maxCTAs != NCCL_CONFIG_UNDEF_INT;
  if (both && mine->minCTAs > mine->maxCTAs) {
    return Refuse(ncclInvalidArgument, "config: minCTAs is more than maxCTAs");
  }
  return ncclSuccess;
}

ncclResult_t ToNative(const ncclConfig_t* theirs, thinwireConfig_t* native) {
  ncclConfig_t config;
  if (const ncclResult_t read = ReadConfig(theirs, &config); read != ncclSuccess) return read;
  *native = THINWIRE_CONFIG_INITIALIZER;
  if (config.blocking != NCCL_CONFIG_UNDEF_INT) native->blocking = config.blocking;
  return ncclSuccess;
}

ncclResult_t ReadCallConfig(const ncclCollConfig_t* config, thinwireCallOptions_t* options) {
  if (config == nullptr) return ncclSuccess;
  if (const ncclResult_t head =
          CheckHead(config->magic, config->size, "NCCL_COLLCONFIG_INITIALIZER");
      head != ncclSuccess) {
    return head;
  }
  for (const ncclConfigExt_t* option = config->ext; option != nullptr; option = option->next) {
    if (option->key.vendorId != THINWIRE_NCCL_VENDOR) continue;
    switch (option->key.optionId) {
      case THINWIRE_NCCL_POLICY:
        options->policy = option->val.s;
        break;
      case THINWIRE_NCCL_TENSOR:
        options->tensor = option->val.s;
        break;
      case THINWIRE_NCCL_KEY:
        if (option->val.raw == nullptr) {
          return Refuse(ncclInvalidArgument, "config: the key of THINWIRE_NCCL_KEY is NULL");
        }
        std::memcpy(&options->key, option->val.raw, sizeof(options->key));
        break;
      default:
        return Refuse(ncclInvalidArgument,
                      "config: Thinwire has no option " + std::to_string(option->key.optionId));
    }
  }
  return ncclSuccess;
}

}  // namespace thinwire::nccl
