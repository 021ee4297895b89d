// SPDX-License-Identifier: Apache-2.0
#include "comm/settings.h"

#include <cstring>

#include "collective/link_model.h"

namespace thinwire {
namespace {

void Append(const std::string& text, std::string* blob) {
  const uint64_t size = text.size();
  blob->append(reinterpret_cast<const char*>(&size), sizeof(size));
  blob->append(text);
}

Result<std::string> TakeText(std::string_view* rest) {
  uint64_t size = 0;
  if (rest->size() < sizeof(size)) return RemoteError("a rank's settings are cut short");
  std::memcpy(&size, rest->data(), sizeof(size));
  rest->remove_prefix(sizeof(size));
  if (rest->size() < size) return RemoteError("a rank's settings are cut short");
  std::string text(rest->substr(0, size));
  rest->remove_prefix(size);
  return text;
}

}  // namespace

Result<SharedSettings> SharedSettings::FromEnv(const Env& env) {
  SharedSettings settings;
  settings.segment_bytes = env.segment_bytes;
  // An emulated link is a known one.
  TW_ASSIGN(settings.link, LinkModel::Inline(env.link.empty() ? env.shape : env.link));
  return settings;
}

std::string SharedSettings::Pack() const {
  std::string blob;
  Append(address, &blob);
  Append(link, &blob);
  Append(std::to_string(segment_bytes), &blob);
  return blob;
}

Result<SharedSettings> SharedSettings::Unpack(const std::string& blob) {
  std::string_view rest = blob;
  SharedSettings settings;
  TW_ASSIGN(settings.address, TakeText(&rest));
  TW_ASSIGN(settings.link, TakeText(&rest));
  TW_ASSIGN(const std::string segment_bytes, TakeText(&rest));
  settings.segment_bytes = std::strtoull(segment_bytes.c_str(), nullptr, 10);
  return settings;
}

}  // namespace thinwire
