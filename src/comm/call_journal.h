// SPDX-License-Identifier: Apache-2.0
//
// CallJournal: the one observer of a communicator's calls: reads each that has ended from the
// engine's queue, on a thread of its own, and keeps the trace, the metrics and the report that were
// asked for (docs/observability.md). Where none is, there is no journal, and calls cost nothing.
// Any thread, but NoteOf, which is the callers'.

#ifndef THINWIRE_COMM_CALL_JOURNAL_H_
#define THINWIRE_COMM_CALL_JOURNAL_H_

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/env.h"
#include "collective/call_queue.h"
#include "collective/planner.h"
#include "comm/call_totals.h"
#include "comm/chrome_trace.h"
#include "comm/report.h"

namespace thinwire {

class CallJournal {
 public:
  // Null: `env` asks for nothing. `facts`: all but what is only known later.
  static std::shared_ptr<CallJournal> Open(const Env& env, ReportFacts facts);
  ~CallJournal();
  CallJournal(const CallJournal&) = delete;
  CallJournal& operator=(const CallJournal&) = delete;

  const std::shared_ptr<CallQueue>& queue() const { return queue_; }
  // What is to be remembered of a call that is being made.
  std::shared_ptr<const CallNote> NoteOf(const std::shared_ptr<const Plan>& plan,
                                         const std::string& exact_because, const Planner& planner);

  // Begins to read. `nic`: LinkModel::nic of this rank; `links`: what is known now of those from
  // this rank, by peer.
  void Start(double nic, std::function<std::vector<Link>()> links);
  // Of all calls that have ended.
  std::string Report();
  // Writes everything, once more, and ends the thread. Harmless when repeated.
  void Close();

 private:
  CallJournal(const Env& env, ReportFacts facts);
  void Run();
  // Reads what there is. True if any call had failed. REQUIRES: mutex_ held, as the others.
  bool ReadCalls();
  void WriteAll();
  void WriteMetrics();
  void WriteReport();
  void FlushTrace();
  // Says so where an output could not be written, which is then given up.
  bool Written(const Status& status) const;
  std::vector<Link> LinksNow() const { return links_ ? links_() : std::vector<Link>{}; }
  ReportFacts FactsNow() const;

  ReportFacts facts_;
  std::string metrics_file_;
  const double metrics_seconds_;
  std::string report_file_;
  std::function<std::vector<Link>()> links_;
  const std::shared_ptr<CallQueue> queue_;

  // By plan, which is kept so that no other gets its address, and reason.
  using NoteKey = std::pair<std::shared_ptr<const Plan>, std::string>;
  std::map<NoteKey, std::shared_ptr<const CallNote>> notes_;

  std::mutex mutex_;
  CallTotals totals_;
  std::optional<ChromeTrace> trace_;
  bool unwritten_ = false;  // calls ended since the metrics were written
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_CALL_JOURNAL_H_
