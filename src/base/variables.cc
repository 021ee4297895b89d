// SPDX-License-Identifier: Apache-2.0
#include "base/variables.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <string_view>

namespace thinwire {
namespace {

constexpr std::string_view kPrefix = "NCCL_";
// Those of NCCL's that mean something here (base/env.h, base/log.h).
constexpr std::array<std::string_view, 11> kHeeded = {
    "NCCL_ALGO",          "NCCL_COMM_BLOCKING", "NCCL_COMM_ID",        "NCCL_CONF_FILE",
    "NCCL_DEBUG",         "NCCL_DEBUG_FILE",    "NCCL_DEBUG_SUBSYS",   "NCCL_NSOCKS_PERTHREAD",
    "NCCL_SOCKET_FAMILY", "NCCL_SOCKET_IFNAME", "NCCL_SOCKET_NTHREADS"};

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == text.npos) return "";
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

const std::map<std::string, std::string>& OfFiles() {
  static const auto* const variables = [] {
    auto* read = new std::map<std::string, std::string>;  // never freed: values are handed out
    const auto add = [read](const std::string& path) {
      std::ifstream file(path);
      read->merge(ParseVariables(file));  // what is there stays
    };
    const char* const named = std::getenv("NCCL_CONF_FILE");
    const char* const home = std::getenv("HOME");
    if (named != nullptr) {
      add(named);
    } else if (home != nullptr) {
      add(std::string(home) + "/.nccl.conf");
    }
    add("/etc/nccl.conf");
    return read;
  }();
  return *variables;
}

}  // namespace

std::map<std::string, std::string> ParseVariables(std::istream& lines) {
  std::map<std::string, std::string> variables;
  for (std::string line; std::getline(lines, line);) {
    const std::string_view said = Trimmed(std::string_view(line).substr(0, line.find('#')));
    const size_t equals = said.find('=');
    if (equals == said.npos) continue;
    variables.emplace(Trimmed(said.substr(0, equals)), Trimmed(said.substr(equals + 1)));
  }
  return variables;
}

const char* Variable(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) {
    const auto found = OfFiles().find(name);
    if (found != OfFiles().end()) text = found->second.c_str();
  }
  return text != nullptr && *text != '\0' ? text : nullptr;
}

std::vector<std::string> IgnoredVariables() {
  std::set<std::string> names;
  const auto add = [&](std::string_view name) {
    if (!name.starts_with(kPrefix)) return;
    if (std::find(kHeeded.begin(), kHeeded.end(), name) == kHeeded.end()) names.emplace(name);
  };
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    add(variable.substr(0, variable.find('=')));
  }
  for (const auto& [name, value] : OfFiles()) add(name);
  return {names.begin(), names.end()};
}

}  // namespace thinwire
