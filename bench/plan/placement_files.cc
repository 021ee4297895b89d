// SPDX-License-Identifier: Apache-2.0
#include "placement_files.h"

#include <fmt/format.h>

#include <fstream>
#include <string_view>

#include "collective/site_matrix.h"

namespace thinwire::plan {
namespace {

constexpr std::string_view kProfile = "profile=";
constexpr std::string_view kSites = "sites=";

size_t Index(int value) { return static_cast<size_t>(value); }

Hosts HostsOfSites(const SiteMatrix& sites, int count) {
  Hosts hosts{.names = {}, .links = sites.Links(count)};
  std::vector<int> named(Index(sites.sites()));
  for (int host = 0; host < count; ++host) {
    const int site = sites.SiteOf(host, count);
    hosts.names.push_back(fmt::format("{}-{}", sites.name(site), named[Index(site)]++));
    hosts.links.set_nic(host, sites.nic_rate());
  }
  return hosts;
}

Result<Hosts> UnnamedHosts(const std::string& text, int count) {
  if (text.starts_with(kProfile)) {
    TW_ASSIGN(const SiteMatrix sites, SiteMatrix::Named(text.substr(kProfile.size())));
    return HostsOfSites(sites, count);
  }
  if (text.starts_with(kSites)) {
    TW_ASSIGN(const SiteMatrix sites, SiteMatrix::ParseFile(text.substr(kSites.size())));
    return HostsOfSites(sites, count);
  }
  TW_ASSIGN(LinkModel links, LinkModel::Parse(text, count));
  Hosts hosts{.names = {}, .links = std::move(links)};
  for (int host = 0; host < count; ++host) hosts.names.push_back(fmt::format("host-{}", host));
  return hosts;
}

Result<std::vector<std::string>> ReadNames(const std::string& path, int count) {
  std::ifstream file(path);
  if (!file) return SystemErrno("host names " + path);
  std::vector<std::string> names;
  for (std::string name; file >> name;) names.push_back(name);
  if (names.size() != Index(count)) {
    return InvalidArgument("{} names {} hosts; the job takes {}", path, names.size(), count);
  }
  return names;
}

}  // namespace

Result<Hosts> HostsOf(const std::string& text, int count, const std::string& names_file) {
  TW_ASSIGN(Hosts hosts, UnnamedHosts(text, count));
  if (!names_file.empty()) {
    TW_ASSIGN(hosts.names, ReadNames(names_file, count));
  }
  return hosts;
}

std::string HostFile(const Hosts& hosts, const TrainingJob& job, const Placement& placement) {
  std::string text;
  for (size_t rank = 0; rank < placement.size(); ++rank) {
    const size_t replicas = Index(job.replicas);
    text +=
        fmt::format("{}  # rank {}: stage {}, replica {}\n", hosts.names[Index(placement[rank])],
                    rank, rank / replicas, rank % replicas);
  }
  return text;
}

std::string LinkFile(const Hosts& hosts, const Placement& placement) {
  std::string text = "# from to  rate  delay  loss\n";
  for (size_t from = 0; from < placement.size(); ++from) {
    const double nic = hosts.links.nic(placement[from]);
    if (nic > 0) text += fmt::format("nic {} {:.0f}bit\n", from, 8 * nic);
    for (size_t to = 0; to < placement.size(); ++to) {
      if (from == to) continue;
      const Link& link = hosts.links.at(placement[from], placement[to]);
      text += fmt::format("{} {} {:.0f}bit {:.0f}ns {}%\n", from, to, 8 * link.rate,
                          1e9 * link.delay, 100 * link.loss);
    }
  }
  return text;
}

Status WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) return SystemErrno("can't write " + path);
  return {};
}

}  // namespace thinwire::plan
