// SPDX-License-Identifier: Apache-2.0
#include "transport/seal.h"

#include "base/checked.h"

namespace thinwire {

Status Sealer::Seal(std::span<const std::byte> message, std::byte* sealed) {
  if (next_ >= kMessagesPerKey) {
    return InvalidUsage("{} messages were sealed under one key: make a new communicator",
                        kMessagesPerKey);
  }
  cipher_->Seal(next_, message, sealed);
  StoreLittle(next_, sealed + message.size() + kTagBytes);
  ++next_;
  return {};
}

Result<size_t> Opener::Open(std::span<std::byte> sealed) {
  if (sealed.size() < kSealBytes) return RemoteError("it is cut short");
  const size_t enciphered = sealed.size() - sizeof(uint64_t);
  const auto number = LoadLittle<uint64_t>(sealed.data() + enciphered);
  if (number >= kMessagesPerKey) return RemoteError("its number is out of range");
  if (!window_.IsFresh(number)) {
    return RemoteError("it came before, or more than {} messages late", ReplayWindow::kNumbers);
  }
  if (!cipher_->Open(number, sealed.first(enciphered))) {
    return RemoteError("it was altered on the way, or others made it");
  }
  window_.Take(number);
  return enciphered - kTagBytes;
}

}  // namespace thinwire
