// SPDX-License-Identifier: Apache-2.0
#include "comm/replica_key.h"

#include <algorithm>

namespace thinwire {
namespace {

bool IsPrintable(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

std::string ReplicaKey::Text() const {
  const std::string whom = peer == kAllPeers ? "all" : fmt::format("rank {}", peer);
  return fmt::format("key {} ({}, {} {}, message {})", user, NameOf(operation),
                     sent ? "sent to" : "received from", whom, message);
}

std::string ReplicaShape::Text() const {
  return fmt::format("{} {} as '{}' ({})", elements, NameOf(dtype), codec, layout);
}

Status ReplicaShape::Check() const {
  for (const std::string* text : {&codec, &layout}) {
    const char* name = text == &codec ? "codec" : "layout";
    if (text->size() > kMaxTextBytes) {
      return InvalidArgument("{}: {} bytes of text, {} is the limit", name, text->size(),
                             kMaxTextBytes);
    }
    if (!IsPrintable(*text)) return InvalidArgument("{}: the text is not printable ASCII", name);
  }
  return {};
}

}  // namespace thinwire
