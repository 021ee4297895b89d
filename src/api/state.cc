// SPDX-License-Identifier: Apache-2.0
//
// The native C API on what communicators keep: state, statistics, policies.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "api/guard.h"
#include "api/handle.h"
#include "comm/communicator.h"
#include "thinwire/thinwire.h"

namespace thinwire {
namespace {

Status StreamStatus(thinwireResult_t result, const char* what, size_t bytes) {
  if (result == thinwireSuccess) return {};
  return SystemError("the caller could not {} {} bytes of state: {}", what, bytes,
                     thinwireGetErrorString(result));
}

template <size_t kSize>
void CopyText(const std::string& text, char (&target)[kSize]) {
  const size_t length = std::min(text.size(), kSize - 1);
  std::memcpy(target, text.data(), length);
  target[length] = '\0';
}

void Fill(const Statistics& from, thinwireStatistics_t* to) {
  const RunFigures& figures = from.figures;
  to->calls = from.calls;
  to->rawBytes = figures.raw_bytes;
  to->wireBytes = figures.wire_bytes;
  to->ratio = figures.wire_bytes == 0 ? 1
                                      : static_cast<double>(figures.raw_bytes) /
                                            static_cast<double>(figures.wire_bytes);
  to->encodeSeconds = figures.encode_seconds;
  to->decodeSeconds = figures.decode_seconds;
  to->wireSeconds = figures.wire_seconds;
  to->waitSeconds = figures.wait_seconds;
  to->totalSeconds = figures.total_seconds;
  const SquaredError& error = figures.error;
  to->relativeError = -1;
  if (figures.error_measured) {
    to->relativeError = error.energy > 0 ? std::sqrt(error.error / error.energy) : 0;
  }
  CopyText(from.codec, to->codec);
  CopyText(from.algorithm, to->algorithm);
}

}  // namespace
}  // namespace thinwire

using namespace thinwire;  // NOLINT: the functions below are the API itself

extern "C" {

thinwireResult_t thinwirePolicyCheck(const char* policy) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(policy, "policy"));
    return Policy::Parse(policy).status();
  });
}

thinwireResult_t thinwireCodecErrorBound(const char* codec, double* relative, double* ofBlock,
                                         double* ofChunk, double* absolute) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(codec, "codec"));
    TW_TRY(CheckPointer(relative, "relative"));
    TW_TRY(CheckPointer(ofBlock, "ofBlock"));
    TW_TRY(CheckPointer(ofChunk, "ofChunk"));
    TW_TRY(CheckPointer(absolute, "absolute"));
    TW_ASSIGN(const Codec* found, FindCodec(codec));
    const Codec::ErrorBound bound = found->bound();
    *relative = bound.relative;
    *ofBlock = bound.of_block;
    *ofChunk = bound.of_chunk;
    *absolute = bound.absolute;
    return {};
  });
}

thinwireResult_t thinwireStateSave(thinwireComm_t comm, thinwireWrite_t write, void* context) {
  return Guard([&]() -> Status {
    TW_ASSIGN(const auto communicator, Ready(comm));
    TW_TRY(CheckPointer(reinterpret_cast<const void*>(write), "write"));
    return communicator->store().Save([&](const void* data, size_t bytes) {
      return StreamStatus(write(context, data, bytes), "write", bytes);
    });
  });
}

thinwireResult_t thinwireStateRestore(thinwireComm_t comm, thinwireRead_t read, void* context) {
  return Guard([&]() -> Status {
    TW_ASSIGN(const auto communicator, Ready(comm));
    TW_TRY(CheckPointer(reinterpret_cast<const void*>(read), "read"));
    return communicator->store().Restore([&](void* data, size_t bytes) {
      return StreamStatus(read(context, data, bytes), "read", bytes);
    });
  });
}

thinwireResult_t thinwireStatePrefetch(thinwireComm_t comm, const uint64_t* keys, size_t nkeys) {
  return Guard([&]() -> Status {
    TW_ASSIGN(const auto communicator, Ready(comm));
    if (nkeys > 0) TW_TRY(CheckPointer(keys, "keys"));
    communicator->store().Prefetch({keys, nkeys});
    return {};
  });
}

thinwireResult_t thinwireStateForget(thinwireComm_t comm, uint64_t key) {
  return Guard([&]() -> Status {
    TW_ASSIGN(const auto communicator, Ready(comm));
    return communicator->store().Forget(key);
  });
}

thinwireResult_t thinwireCommGetStatistics(thinwireComm_t comm, thinwireOperation_t operation,
                                           thinwireStatistics_t* statistics) {
  return Guard([&]() -> Status {
    TW_ASSIGN(const auto communicator, Ready(comm));
    TW_TRY(CheckPointer(statistics, "statistics"));
    if (statistics->size != sizeof(thinwireStatistics_t)) {
      return InvalidArgument("statistics->size must be set to sizeof(thinwireStatistics_t)");
    }
    if (static_cast<unsigned>(operation) >= kOperations) {
      return InvalidArgument("{} is no operation", static_cast<int>(operation));
    }
    Fill(communicator->ledger().Of(static_cast<Operation>(operation)), statistics);
    return {};
  });
}

thinwireResult_t thinwireCommResetStatistics(thinwireComm_t comm) {
  return Guard([&]() -> Status {
    TW_ASSIGN(const auto communicator, Ready(comm));
    communicator->ledger().Reset();
    return {};
  });
}

}  // extern "C"
