// SPDX-License-Identifier: Apache-2.0
#include "comm/output_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <list>
#include <map>
#include <mutex>

#include "base/log.h"

namespace thinwire {
namespace {

constexpr size_t kSections = 64;

void Replace(std::string_view what, const std::string& by, std::string* text) {
  for (size_t at = text->find(what); at != text->npos; at = text->find(what, at + by.size())) {
    text->replace(at, what.size(), by);
  }
}

Status WriteTo(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.flush();
  return file.good() ? Status() : SystemErrno("writing " + path);
}

struct Section {
  Writer writer;
  std::vector<std::string> parts;
};

// The sections of each file, in the order they were written last.
struct Sections {
  std::mutex mutex;
  std::map<std::string, std::list<Section>> of_file;
};

Sections& AllSections() {
  static auto* sections = new Sections;  // never freed: written while the process ends
  return *sections;
}

}  // namespace

std::string Writer::name() const { return fmt::format("{:016x}", communicator); }

std::string OutputPath(std::string_view pattern, const Writer& writer) {
  std::string path(pattern);
  Replace("%r", fmt::format("{}", writer.rank), &path);
  Replace("%c", writer.name(), &path);
  return LogPath(path);
}

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return quoted + '"';
}

Status ReplaceFile(const std::string& path, std::string_view text) {
  std::error_code unknown;
  const bool special =
      std::filesystem::exists(path, unknown) && !std::filesystem::is_regular_file(path, unknown);
  if (special) return WriteTo(path, text);
  const std::string fresh = fmt::format("{}.{}.tmp", path, getpid());
  TW_TRY(WriteTo(fresh, text));
  if (std::rename(fresh.c_str(), path.c_str()) == 0) return {};
  const Status failed = SystemErrno("writing " + path);
  std::remove(fresh.c_str());
  return failed;
}

Status WriteSection(const std::string& path, const Writer& writer, std::vector<std::string> parts,
                    std::span<const std::string_view> heads) {
  Sections& all = AllSections();
  const std::lock_guard lock(all.mutex);
  std::list<Section>& sections = all.of_file[path];
  sections.remove_if([&](const Section& section) { return section.writer == writer; });
  sections.push_back({writer, std::move(parts)});
  if (sections.size() > kSections) sections.pop_front();
  std::string text;
  for (size_t i = 0; i < heads.size(); ++i) {
    text += heads[i];
    for (const Section& section : sections) text += section.parts[i];
  }
  return ReplaceFile(path, text);
}

}  // namespace thinwire
