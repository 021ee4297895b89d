// SPDX-License-Identifier: Apache-2.0
#include "placement_search.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

namespace thinwire::plan {
namespace {

size_t Index(int value) { return static_cast<size_t>(value); }

// Distributions of the standard library differ between its implementations; this doesn't.
class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}
  // From 0 to sides - 1.
  int Roll(int sides) { return static_cast<int>(engine_() % static_cast<uint64_t>(sides)); }

 private:
  std::mt19937_64 engine_;
};

void Shuffle(std::vector<int>* values, Dice* dice) {
  for (int left = static_cast<int>(values->size()); left > 1; --left) {
    std::swap((*values)[Index(left - 1)], (*values)[Index(dice->Roll(left))]);
  }
}

Placement AllHosts(const PlacementModel& model) {
  Placement hosts(Index(model.hosts()));
  std::iota(hosts.begin(), hosts.end(), 0);
  return hosts;
}

Placement NearestFirst(const PlacementModel& model) {
  Placement order = AllHosts(model);
  for (size_t i = 1; i < order.size(); ++i) {
    const auto nearest = std::min_element(
        order.begin() + static_cast<ptrdiff_t>(i), order.end(), [&](int one, int two) {
          return model.MessageSeconds(order[i - 1], one) < model.MessageSeconds(order[i - 1], two);
        });
    std::iter_swap(order.begin() + static_cast<ptrdiff_t>(i), nearest);
  }
  return order;
}

// A placement with the parts of its cost, so that a swap costs two stages and not all.
class Candidate {
 public:
  Candidate(const PlacementModel& model, Placement placement)
      : model_(&model),
        placement_(std::move(placement)),
        group_seconds_(Index(stages())),
        between_(Index(stages() * stages())) {
    for (int stage = 0; stage < stages(); ++stage) Refresh(stage);
    Sum();
  }

  const Placement& placement() const { return placement_; }
  double seconds() const { return seconds_; }
  int StageAt(int place) const { return place / model_->job().replicas; }

  void Swap(int place, int other) {
    std::swap(placement_[Index(place)], placement_[Index(other)]);
    Refresh(StageAt(place));
    Refresh(StageAt(other));
    Sum();
  }

  // The cost, and a little of what doesn't set it now but soon would: only the slowest group counts
  // in the cost, so without it a better other group would go unnoticed.
  double Score() const {
    constexpr double kLittle = 0.01;
    const double groups = std::accumulate(group_seconds_.begin(), group_seconds_.end(), 0.0);
    return seconds_ + kLittle * groups / stages();
  }

 private:
  int stages() const { return model_->job().stages; }
  std::span<const int> Group(int stage) const {
    const int replicas = model_->job().replicas;
    return std::span(placement_).subspan(Index(stage * replicas), Index(replicas));
  }
  void Refresh(int stage) {
    group_seconds_[Index(stage)] = model_->GradientSeconds(Group(stage));
    for (int other = 0; other < stages(); ++other) {
      if (other == stage) continue;
      const StageLink link = model_->LinkOf(Group(stage), Group(other));
      between_[Index(stage * stages() + other)] = link;
      between_[Index(other * stages() + stage)] = link;
    }
  }
  void Sum() {
    seconds_ = *std::max_element(group_seconds_.begin(), group_seconds_.end()) +
               model_->ActivationSeconds(between_);
  }

  const PlacementModel* model_;
  Placement placement_;
  std::vector<double> group_seconds_;
  std::vector<StageLink> between_;  // stages x stages
  double seconds_ = 0;
};

// Random swaps between stages, kept where they help.
void Improve(const PlacementModel& model, int swaps, Dice* dice, Candidate* candidate) {
  for (int i = 0; i < swaps; ++i) {
    const int place = dice->Roll(model.hosts());
    const int other = dice->Roll(model.hosts());
    const Placement& hosts = candidate->placement();
    if (candidate->StageAt(place) == candidate->StageAt(other)) continue;
    if (model.Alike(hosts[Index(place)], hosts[Index(other)])) continue;
    Candidate changed = *candidate;
    changed.Swap(place, other);
    if (changed.Score() < candidate->Score()) *candidate = std::move(changed);
  }
}

// stage_of[host]
std::vector<int> StagesOf(const PlacementModel& model, const Placement& placement) {
  std::vector<int> stage_of(placement.size());
  for (size_t place = 0; place < placement.size(); ++place) {
    stage_of[Index(placement[place])] = static_cast<int>(place) / model.job().replicas;
  }
  return stage_of;
}

// The stages of `other` under those numbers of `one` with which they share most hosts: which of the
// groups is called which means nothing, and parents that differ in that alone are equal.
std::vector<int> Renumbered(const std::vector<int>& other, const std::vector<int>& one,
                            int stages) {
  std::vector<int> shared(Index(stages * stages));
  for (size_t host = 0; host < one.size(); ++host)
    ++shared[Index(other[host] * stages + one[host])];
  std::vector<int> number(Index(stages), -1);
  std::vector<bool> used(Index(stages));
  for (int round = 0; round < stages; ++round) {
    int best = -1;
    for (int at = 0; at < stages * stages; ++at) {
      if (number[Index(at / stages)] >= 0 || used[Index(at % stages)]) continue;
      if (best < 0 || shared[Index(at)] > shared[Index(best)]) best = at;
    }
    number[Index(best / stages)] = best % stages;
    used[Index(best % stages)] = true;
  }
  std::vector<int> renumbered;
  for (const int stage : other) renumbered.push_back(number[Index(stage)]);
  return renumbered;
}

// Groups of the sizes they must have: surplus hosts go where there are too few.
Placement Balanced(const PlacementModel& model, const std::vector<int>& stage_of, Dice* dice) {
  std::vector<Placement> groups(Index(model.job().stages));
  for (const int host : AllHosts(model)) groups[Index(stage_of[Index(host)])].push_back(host);
  Placement surplus;
  for (Placement& group : groups) {
    Shuffle(&group, dice);
    while (group.size() > Index(model.job().replicas)) {
      surplus.push_back(group.back());
      group.pop_back();
    }
  }
  Shuffle(&surplus, dice);
  Placement placement;
  for (Placement& group : groups) {
    while (group.size() < Index(model.job().replicas)) {
      group.push_back(surplus.back());
      surplus.pop_back();
    }
    placement.insert(placement.end(), group.begin(), group.end());
  }
  return placement;
}

// Stretches of hosts from either parent in turn, five cuts between them.
Placement Crossed(const PlacementModel& model, const Placement& one, const Placement& two,
                  Dice* dice) {
  constexpr int kCuts = 5;
  const std::vector<int> first = StagesOf(model, one);
  const std::vector<int> second = Renumbered(StagesOf(model, two), first, model.job().stages);
  std::vector<bool> cut(first.size());
  for (int i = 0; i < kCuts; ++i) cut[Index(dice->Roll(model.hosts()))] = true;
  std::vector<int> stage_of(first.size());
  bool from_first = true;
  for (size_t host = 0; host < first.size(); ++host) {
    if (cut[host]) from_first = !from_first;
    stage_of[host] = from_first ? first[host] : second[host];
  }
  return Balanced(model, stage_of, dice);
}

}  // namespace

Placement RandomPlacement(const PlacementModel& model, uint64_t seed) {
  Dice dice(seed);
  Placement hosts = AllHosts(model);
  Shuffle(&hosts, &dice);
  return hosts;
}

Placement NearGroups(const PlacementModel& model) { return NearestFirst(model); }

Placement NearPipelines(const PlacementModel& model) {
  const Placement order = NearestFirst(model);
  Placement placement;
  for (int stage = 0; stage < model.job().stages; ++stage) {
    for (int replica = 0; replica < model.job().replicas; ++replica) {
      placement.push_back(order[Index(replica * model.job().stages + stage)]);
    }
  }
  return placement;
}

Placement SearchPlacement(const PlacementModel& model, const SearchEffort& effort,
                          const Progress& progress) {
  Dice dice(effort.seed);
  std::vector<Candidate> population;
  population.emplace_back(model, NearGroups(model));
  population.emplace_back(model, NearPipelines(model));
  for (int i = 2; i < effort.population; ++i) {
    Placement hosts = AllHosts(model);
    Shuffle(&hosts, &dice);
    population.emplace_back(model, std::move(hosts));
  }
  const auto better = [](const Candidate& one, const Candidate& two) {
    return one.seconds() < two.seconds();
  };
  for (int i = 0; i < effort.offspring; ++i) {
    const int size = static_cast<int>(population.size());
    Candidate* one = &population[Index(dice.Roll(size))];
    Candidate* two = &population[Index(dice.Roll(size))];
    Candidate child(model, Crossed(model, one->placement(), two->placement(), &dice));
    Improve(model, effort.swaps, &dice, &child);
    Candidate* worse = better(*one, *two) ? two : one;
    if (better(child, *worse)) *worse = std::move(child);
    progress(i + 1, std::min_element(population.begin(), population.end(), better)->seconds());
  }
  return model.Wired(std::min_element(population.begin(), population.end(), better)->placement());
}

}  // namespace thinwire::plan
