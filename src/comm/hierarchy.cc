// SPDX-License-Identifier: Apache-2.0
#include "comm/hierarchy.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

namespace thinwire {
namespace {

std::vector<std::string_view> SplitAt(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

bool ParseNumber(std::string_view text, int* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

// "0-3,8" as ranks.
Result<std::vector<int>> ParseSite(std::string_view text) {
  std::vector<int> ranks;
  for (const std::string_view part : SplitAt(text, ',')) {
    const auto ends = SplitAt(part, '-');
    int first = 0;
    int last = 0;
    const bool good = ends.size() <= 2 && ParseNumber(ends.front(), &first) &&
                      ParseNumber(ends.back(), &last) && first <= last;
    if (!good) return InvalidArgument("sites: '{}' is no rank or range of ranks", part);
    for (int rank = first; rank <= last; ++rank) ranks.push_back(rank);
  }
  return ranks;
}

// What every rank tells the others: the id of its site, if it is that site's first rank, and of the
// communicator across sites, if it is that one's first.
struct Ids {
  SiteId site{};
  UniqueId between{};
};

// Runs `call` to its end on the calling thread.
Status RunNow(Communicator* communicator, const Call& call) {
  TW_ASSIGN(Collective collective, communicator->Prepare(call));
  std::vector<Collective> one;
  one.push_back(std::move(collective));
  return communicator->Submit(nullptr, std::move(one)).front().Wait();
}

Result<std::vector<Ids>> Gather(Communicator* whole, const Ids& own) {
  std::vector<Ids> all(static_cast<size_t>(whole->ranks()));
  Call gather;
  gather.operation = Operation::kAllGather;
  gather.send = &own;
  gather.recv = all.data();
  gather.count = sizeof(Ids);
  gather.dtype = DataType::kUint8;
  gather.policy = "raw";
  TW_TRY(RunNow(whole, gather));
  return all;
}

}  // namespace

Result<Sites> Sites::Parse(const std::string& text, int ranks) {
  Sites sites;
  if (ParseNumber(text, &sites.of_site)) {
    if (sites.of_site < 1 || ranks % sites.of_site != 0) {
      return InvalidArgument("sites of {} ranks: {} ranks can't be shared out so", sites.of_site,
                             ranks);
    }
    for (int rank = 0; rank < ranks; ++rank) {
      if (rank % sites.of_site == 0) sites.ranks.emplace_back();
      sites.ranks.back().push_back(rank);
    }
    return sites;
  }
  std::vector<bool> placed(static_cast<size_t>(ranks), false);
  for (const std::string_view part : SplitAt(text, ';')) {
    TW_ASSIGN(std::vector<int> site, ParseSite(part));
    for (const int rank : site) {
      if (rank >= ranks) return InvalidArgument("sites: there is no rank {} of {}", rank, ranks);
      if (placed[static_cast<size_t>(rank)]) {
        return InvalidArgument("sites: rank {} stands in two sites", rank);
      }
      placed[static_cast<size_t>(rank)] = true;
    }
    sites.ranks.push_back(std::move(site));
  }
  const auto missing = std::find(placed.begin(), placed.end(), false);
  if (missing != placed.end()) {
    return InvalidArgument("sites: rank {} stands in none", missing - placed.begin());
  }
  sites.of_site = static_cast<int>(sites.ranks.front().size());
  for (const auto& site : sites.ranks) {
    if (site.size() == sites.ranks.front().size()) continue;
    return InvalidArgument("sites must have equally many ranks; the first has {}, another {}",
                           sites.of_site, site.size());
  }
  return sites;
}

Result<std::unique_ptr<Hierarchy>> Hierarchy::Make(Communicator* whole, const Sites& sites,
                                                   const Env& env, Device* device) {
  auto made = std::make_unique<Hierarchy>();
  made->device_ = device;
  made->site_ranks_ = sites.of_site;
  int own_site = 0;
  for (int site = 0; site < static_cast<int>(sites.ranks.size()); ++site) {
    const auto& members = sites.ranks[static_cast<size_t>(site)];
    const auto place = std::find(members.begin(), members.end(), whole->rank());
    if (place == members.end()) continue;
    own_site = site;
    made->site_rank_ = static_cast<int>(place - members.begin());
  }
  Env across = env;
  across.sites.clear();
  Ids own;
  if (made->site_rank_ == 0) {
    TW_ASSIGN(own.site, device->NewSiteId());
  }
  if (own_site == 0) {
    TW_ASSIGN(own.between, Communicator::NewId(across));
  }
  TW_ASSIGN(const std::vector<Ids> all, Gather(whole, own));
  const int first_of_site = sites.ranks[static_cast<size_t>(own_site)].front();
  const int first_of_share = sites.ranks.front()[static_cast<size_t>(made->site_rank_)];
  TW_ASSIGN(made->site_, device->JoinSite(all[static_cast<size_t>(first_of_site)].site,
                                          made->site_rank_, made->site_ranks_));
  TW_ASSIGN(made->between_,
            Communicator::Create(all[static_cast<size_t>(first_of_share)].between, own_site,
                                 static_cast<int>(sites.ranks.size()), across,
                                 {.whole = whole, .ledger = {}, .links = {}, .shape = {}}));
  return made;
}

bool Hierarchy::Takes(const Call& call) const {
  return call.operation == Operation::kAllReduce && call.count > 0 && !call.factor &&
         device_->Owns(call.send) && device_->Owns(call.recv);
}

Hierarchy::Share Hierarchy::ShareOf(size_t count) const {
  const auto ranks = static_cast<size_t>(site_ranks_);
  const auto rank = static_cast<size_t>(site_rank_);
  Share share = {};
  share.even = count / ranks;
  share.left = count % ranks;
  share.begin = rank * share.even;
  share.count = share.even + (rank + 1 == ranks ? share.left : 0);
  return share;
}

Status Hierarchy::Before(const Call& call) {
  const Share share = ShareOf(call.count);
  const size_t size = SizeOf(call.dtype);
  auto* const recv = static_cast<std::byte*>(call.recv);
  if (share.even > 0) {
    TW_TRY(site_->ReduceScatter(call.send, recv + share.begin * size, share.even, call.dtype,
                                call.reduction, call.stream));
  }
  if (share.left == 0) return {};
  const size_t rest = share.even * static_cast<size_t>(site_ranks_) * size;
  return site_->Reduce(static_cast<const std::byte*>(call.send) + rest, recv + rest, share.left,
                       call.dtype, call.reduction, site_ranks_ - 1, call.stream);
}

Call Hierarchy::Across(const Call& call) const {
  const Share share = ShareOf(call.count);
  Call across = call;
  across.recv = static_cast<std::byte*>(call.recv) + share.begin * SizeOf(call.dtype);
  across.send = across.recv;
  across.count = share.count;
  return across;
}

Status Hierarchy::After(const Call& call) {
  const Share share = ShareOf(call.count);
  const size_t size = SizeOf(call.dtype);
  auto* const recv = static_cast<std::byte*>(call.recv);
  if (share.even > 0) {
    TW_TRY(site_->AllGather(recv + share.begin * size, recv, share.even, call.dtype, call.stream));
  }
  if (share.left == 0) return {};
  return site_->Broadcast(recv + share.even * static_cast<size_t>(site_ranks_) * size, share.left,
                          call.dtype, site_ranks_ - 1, call.stream);
}

void Hierarchy::Abort(const std::string& why) {
  site_->Abort();
  between_->Abort(why);
}

}  // namespace thinwire
