// SPDX-License-Identifier: Apache-2.0
//
// thinwire-chaos-rank: one rank of a round of chaos: mixed operations on two communicators until
// the time is over or something breaks; then what it saw, as JSON, in the round's folder. Started
// by bench/chaos/chaos, with RANK and WORLD_SIZE.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <thread>

#include "footprint.h"
#include "meeting.h"
#include "mixed_calls.h"
#include "saboteur.h"

namespace thinwire::chaos {
namespace {

using nlohmann::json;

constexpr size_t kCommunicators = 2;
constexpr int kRoundsPerCheck = 8;  // after so many rounds the ranks compare digests
constexpr double kSampleSeconds = 1;

struct Options {
  std::string folder;
  uint64_t seed = 1;
  double seconds = 2;  // of work, unless something breaks before
  double silence_seconds = 10;
  double timeout_seconds = 600;
  double watch_seconds = 15;  // after a failure: until all communicators must have noticed
  size_t largest = size_t{1} << 18;
  std::string transport = "auto";
  Harm harm;
  bool stalls = false;     // the program itself, for harm.lasting_seconds
  std::vector<int> after;  // ranks that meet again afterwards; none if empty
};

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Options Parse(int argc, char** argv) {
  Options options;
  CLI::App app("One rank of a round of chaos.");
  app.add_option("--folder", options.folder)->required();
  app.add_option("--seed", options.seed);
  app.add_option("--seconds", options.seconds);
  app.add_option("--silence", options.silence_seconds);
  app.add_option("--timeout", options.timeout_seconds);
  app.add_option("--watch", options.watch_seconds);
  app.add_option("--largest", options.largest);
  app.add_option("--transport", options.transport);
  app.add_option("--harm", options.harm.kind);
  app.add_option("--harm-after", options.harm.after_seconds);
  app.add_option("--harm-lasting", options.harm.lasting_seconds);
  app.add_option("--interface", options.harm.interface);
  app.add_option("--address", options.harm.address);
  app.add_option("--meet-after", options.after)->delimiter(',');
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  options.stalls = options.harm.kind == "stall";
  return options;
}

class ChaosRank {
 public:
  ChaosRank(const Options& options, int rank, int ranks)
      : options_(options), rank_(rank), ranks_(ranks) {
    config_.transport = options_.transport.c_str();
    config_.silenceSeconds = options_.silence_seconds;
    config_.timeoutSeconds = options_.timeout_seconds;
    config_.connectTimeoutSeconds = 30;
  }

  json Run(Saboteur* saboteur) {
    std::vector<int> all(static_cast<size_t>(ranks_));
    std::iota(all.begin(), all.end(), 0);
    // What is made once and for all in a process is made here.
    Check(thinwireCommDestroy(Meet(options_.folder, "warm-up", rank_, all, config_)), "warm-up");
    const Footprint before = Footprint::Now();
    for (size_t i = 0; i < kCommunicators; ++i) {
      comms_.push_back(Meet(options_.folder, fmt::format("mixed-{}", i), rank_, all, config_));
    }
    saboteur->Begin();
    Work(options_.seconds, rank_, ranks_);
    WatchErrors();
    LetGo();
    report_["held"] = Compared(before);
    if (std::find(options_.after.begin(), options_.after.end(), rank_) != options_.after.end()) {
      saboteur->AwaitEnd();
      MeetAgain();
      report_["held_after"] = Compared(before);
    }
    return report_;
  }

 private:
  // Rounds of calls until `seconds` are over on some rank, or a call fails.
  void Work(double seconds, int rank, int ranks) {
    MixedCalls calls(options_.seed, rank, ranks, comms_.size(), options_.largest);
    const double begin = Seconds();
    double next_sample = begin;
    bool stalled = !options_.stalls;
    bool over = false;
    while (!over && failure_.empty()) {
      for (int i = 0; i < kRoundsPerCheck && failure_.empty(); ++i) RunRound(&calls);
      if (failure_.empty()) over = Compare(calls, Seconds() - begin >= seconds, ranks);
      if (Seconds() >= next_sample) {
        next_sample += kSampleSeconds;
        Sample(Seconds() - begin);
      }
      if (!stalled && Seconds() - begin >= options_.harm.after_seconds) {
        stalled = true;
        std::ofstream(options_.harm.note) << fmt::format("{:.6f}\n", SystemSeconds());
        std::this_thread::sleep_for(std::chrono::duration<double>(options_.harm.lasting_seconds));
      }
    }
  }

  void RunRound(MixedCalls* calls) {
    Round round = calls->Next();
    std::vector<thinwireRequest_t> requests(round.calls.size(), nullptr);
    std::vector<thinwireResult_t> results(round.calls.size(), thinwireSuccess);
    if (round.way == Round::Way::kGroup) Check(thinwireGroupStart(), "group");
    for (size_t i = 0; i < round.calls.size(); ++i) {
      const bool later = round.way == Round::Way::kRequests;
      results[i] = calls->Start(&round.calls[i], comms_, later ? &requests[i] : nullptr);
      if (results[i] != thinwireSuccess) NoteFailure();
    }
    if (round.way == Round::Way::kGroup && thinwireGroupEnd() != thinwireSuccess)
      return NoteFailure();
    for (size_t i = 0; i < round.calls.size(); ++i) {
      if (requests[i] != nullptr) results[i] = thinwireRequestWait(requests[i]);
      if (results[i] != thinwireSuccess) {
        NoteFailure();
        continue;
      }
      const std::string wrong = calls->Verify(round.calls[i]);
      if (!wrong.empty()) report_["wrong"].push_back(wrong);
      report_["calls"] = report_.value("calls", 0) + 1;
    }
  }

  // Whether all that ranks got is the same, and one of them is done.
  bool Compare(const MixedCalls& calls, bool over, int ranks) {
    const uint64_t mine[] = {calls.digest(), over ? 1u : 0u};
    std::vector<uint64_t> all(2 * static_cast<size_t>(ranks));
    if (thinwireAllGather(mine, all.data(), 2, thinwireUint64, comms_.front(), nullptr) !=
        thinwireSuccess) {
      NoteFailure();
      return true;
    }
    bool any_over = false;
    for (size_t i = 0; i < all.size(); i += 2) {
      if (all[i] != all[0]) report_["wrong"].push_back("ranks have different results");
      any_over |= all[i + 1] != 0;
    }
    return any_over;
  }

  void NoteFailure() {
    if (!failure_.empty()) return;
    failure_ = thinwireGetLastError(nullptr);
    report_["failed_at"] = SystemSeconds();
    report_["failure"] = failure_;
  }

  // When something failed: until every communicator says so, or had all the time it may take.
  void WatchErrors() {
    if (failure_.empty()) return;
    const double deadline = Seconds() + options_.watch_seconds;
    for (const thinwireComm_t comm : comms_) {
      thinwireResult_t error = thinwireSuccess;
      while (thinwireCommGetAsyncError(comm, &error) == thinwireSuccess &&
             error == thinwireSuccess && Seconds() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
      report_["errors"].push_back({{"at", SystemSeconds()},
                                   {"code", static_cast<int>(error)},
                                   {"text", thinwireGetLastError(comm)}});
    }
  }

  void LetGo() {
    const bool aborts = !failure_.empty() && options_.seed % 2 == 0;
    const double begin = Seconds();
    for (const thinwireComm_t comm : comms_) {
      const thinwireResult_t gone = aborts ? thinwireCommAbort(comm) : thinwireCommDestroy(comm);
      if (gone != thinwireSuccess) report_["wrong"].push_back("a communicator can't be let go");
    }
    comms_.clear();
    report_["let_go_seconds"] = Seconds() - begin;
  }

  void MeetAgain() {
    failure_.clear();
    comms_ = {Meet(options_.folder, "again", rank_, options_.after, config_)};
    const auto self = std::find(options_.after.begin(), options_.after.end(), rank_);
    Work(0, static_cast<int>(self - options_.after.begin()),
         static_cast<int>(options_.after.size()));
    report_["again"] = failure_.empty() ? "ok" : failure_;
    LetGo();
  }

  void Sample(double seconds) {
    const Footprint now = Footprint::Now();
    report_["samples"].push_back({seconds, now.resident_bytes, now.threads, now.files});
  }

  static json Compared(const Footprint& before) {
    const Footprint now = SettledFootprint(before);
    json compared = {{"threads", {before.threads, now.threads}},
                     {"files", {before.files, now.files}}};
    if (now.files > before.files) compared["open"] = OpenFiles();
    return compared;
  }

  const Options& options_;
  const int rank_;
  const int ranks_;
  thinwireConfig_t config_ = THINWIRE_CONFIG_INITIALIZER;
  std::vector<thinwireComm_t> comms_;
  std::string failure_;
  json report_ = {{"calls", 0}, {"wrong", json::array()}, {"errors", json::array()}};
};

int NumberOf(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) throw ChaosError(std::string(variable) + " is not set");
  return std::atoi(text);
}

int Main(int argc, char** argv) {
  Options options = Parse(argc, argv);
  const int rank = NumberOf("RANK");
  const std::string file = fmt::format("{}/rank-{}.json", options.folder, rank);
  options.harm.note = fmt::format("{}/harm-{}", options.folder, rank);
  Harm harm = options.harm;
  if (options.stalls) harm.kind = "none";
  Saboteur saboteur(harm);
  json report;
  try {
    report = ChaosRank(options, rank, NumberOf("WORLD_SIZE")).Run(&saboteur);
  } catch (const std::exception& failure) {
    report["broken"] = failure.what();
  }
  const std::string draft = file + ".draft";
  std::ofstream(draft) << report.dump(1) << "\n";
  std::rename(draft.c_str(), file.c_str());
  return report.contains("broken") ? 1 : 0;
}

}  // namespace
}  // namespace thinwire::chaos

int main(int argc, char** argv) { return thinwire::chaos::Main(argc, argv); }
