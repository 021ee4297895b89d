// SPDX-License-Identifier: Apache-2.0
#include "comm/settings.h"

#include <cstring>
#include <random>

#include "collective/link_model.h"

namespace thinwire {
namespace {

void AppendNumber(uint64_t number, std::string* blob) {
  blob->append(reinterpret_cast<const char*>(&number), sizeof(number));
}

void Append(const std::string& text, std::string* blob) {
  AppendNumber(text.size(), blob);
  blob->append(text);
}

Result<uint64_t> TakeNumber(std::string_view* rest) {
  uint64_t number = 0;
  if (rest->size() < sizeof(number)) return RemoteError("a rank's settings are cut short");
  std::memcpy(&number, rest->data(), sizeof(number));
  rest->remove_prefix(sizeof(number));
  return number;
}

Result<std::string> TakeText(std::string_view* rest) {
  TW_ASSIGN(const uint64_t size, TakeNumber(rest));
  if (rest->size() < size) return RemoteError("a rank's settings are cut short");
  std::string text(rest->substr(0, size));
  rest->remove_prefix(size);
  return text;
}

}  // namespace

Result<SharedSettings> SharedSettings::FromEnv(const Env& env, const std::string& transport) {
  SharedSettings settings;
  settings.survival = env.survival;
  settings.segment_bytes = env.segment_bytes;
  settings.epoch = std::random_device()();
  if (env.link == "unknown") return settings;
  // An emulated link is a known one.
  TW_ASSIGN(settings.link, LinkModel::Inline(env.link.empty() ? env.shape : env.link));
  const bool near = transport.find("loopback") != std::string::npos;
  if (settings.link.empty() && !near) settings.link = kMeasureLinks;
  return settings;
}

std::string SharedSettings::Pack() const {
  std::string blob;
  Append(address, &blob);
  Append(meeting_place, &blob);
  Append(link, &blob);
  Append(survival, &blob);
  AppendNumber(hand_over, &blob);
  AppendNumber(segment_bytes, &blob);
  AppendNumber(epoch, &blob);
  return blob;
}

Result<SharedSettings> SharedSettings::Unpack(const std::string& blob) {
  std::string_view rest = blob;
  SharedSettings settings;
  TW_ASSIGN(settings.address, TakeText(&rest));
  TW_ASSIGN(settings.meeting_place, TakeText(&rest));
  TW_ASSIGN(settings.link, TakeText(&rest));
  TW_ASSIGN(settings.survival, TakeText(&rest));
  TW_ASSIGN(settings.hand_over, TakeNumber(&rest));
  TW_ASSIGN(settings.segment_bytes, TakeNumber(&rest));
  TW_ASSIGN(const uint64_t epoch, TakeNumber(&rest));
  settings.epoch = static_cast<uint32_t>(epoch);
  return settings;
}

}  // namespace thinwire
