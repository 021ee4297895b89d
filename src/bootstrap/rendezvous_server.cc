// SPDX-License-Identifier: Apache-2.0
//
// RendezvousServer: gives each Root its thread, and ends those threads with the process.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "bootstrap/protocol.h"
#include "bootstrap/rendezvous.h"
#include "bootstrap/root.h"
#include "base/socket.h"

namespace thinwire {
namespace {

// While it lives, threads that this one makes take no signals.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

// A Root on its thread. The destructor stops and joins it, which takes no longer than a turn of its
// loop, since the loop never blocks outside poll().
class RootThread {
 public:
  RootThread(Fd listener, Fd stop, uint16_t port, const Secret& secret,
             std::optional<std::set<int>> awaited)
      : port_(port),
        secret_(secret),
        stop_(std::move(stop)),
        root_(std::move(listener), secret, std::move(awaited)) {
    const SignalsBlocked blocked;  // the application's signals are not this thread's business
    thread_ = std::thread([this] {
      root_.Run(stop_.get());
      done_.store(true, std::memory_order_release);
    });
  }
  ~RootThread() {
    eventfd_write(stop_.get(), 1);
    thread_.join();
  }

  bool done() const { return done_.load(std::memory_order_acquire); }
  // Whether a root with this secret takes its port over: after a failure, or for the same job.
  bool GivesWayTo(uint16_t port, const Secret& secret) const {
    return port == port_ && (root_.failed() || secret == secret_);
  }

 private:
  uint16_t port_;
  Secret secret_;
  Fd stop_;
  Root root_;
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

// The roots of this process; ended by its exit, or when the library is unloaded.
class RootThreads {
 public:
  ~RootThreads() {
    DisownIfForked();
    delete threads_;
  }

  // Frees roots that have nothing to do anymore.
  void FreeEnded() {
    const std::lock_guard lock(mutex_);
    DisownIfForked();
    threads_->remove_if([](const RootThread& root) { return root.done(); });
  }
  // Those, and one that gives way on this port.
  void Free(uint16_t port, const Secret& secret) {
    FreeEnded();
    const std::lock_guard lock(mutex_);
    threads_->remove_if([&](const RootThread& root) { return root.GivesWayTo(port, secret); });
  }
  void Add(Fd listener, Fd stop, uint16_t port, const Secret& secret,
           std::optional<std::set<int>> awaited) {
    const std::lock_guard lock(mutex_);
    DisownIfForked();
    threads_->emplace_back(std::move(listener), std::move(stop), port, secret, std::move(awaited));
  }

 private:
  // A forked child has a copy of the list, but not the threads, so it keeps that and never joins.
  void DisownIfForked() {
    const pid_t self = getpid();
    if (std::exchange(owner_, self) == self) return;
    inherited_ = std::exchange(threads_, new std::list<RootThread>);
  }

  pid_t owner_ = getpid();
  std::mutex mutex_;
  std::list<RootThread>* threads_ = new std::list<RootThread>;
  std::list<RootThread>* inherited_ = nullptr;
};

RootThreads& Roots() {
  static RootThreads roots;
  return roots;
}

Result<std::vector<IpAddress>> OwnAddresses(const RendezvousServer::Options& options) {
  return LocalAddresses(options.interface, kUniqueIdAddresses, options.family);
}

Result<Fd> ListenAsAsked(const RendezvousServer::Options& options, PortRange ports) {
  if (options.interface.empty()) return Listen(nullptr, ports);
  TW_ASSIGN(const std::vector<IpAddress> own, OwnAddresses(options));
  return Listen(&own.front(), ports);
}

Status StartRoot(Fd listener, const Secret& secret, std::optional<std::set<int>> awaited = {}) {
  TW_ASSIGN(const uint16_t port, LocalPort(listener.get()));
  Fd stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop.open()) return SystemErrno("eventfd");
  try {
    Roots().Add(std::move(listener), std::move(stop), port, secret, std::move(awaited));
  } catch (const std::system_error& error) {
    return SystemError("cannot start the thread of the rendezvous: {}", error.what());
  }
  return {};
}

}  // namespace

void RendezvousServer::FreeEnded() { Roots().FreeEnded(); }

Result<Fd> RendezvousServer::Listen(const Options& options, UniqueIdFields* fields) {
  const auto port = static_cast<uint16_t>(options.port);
  TW_ASSIGN(fields->addresses, options.host.empty()
                                   ? OwnAddresses(options)
                                   : ResolveHost(options.host, kUniqueIdAddresses));
  TW_ASSIGN(Fd listener, ListenAsAsked(options, port == 0 ? options.ports : PortRange{port, port}));
  TW_ASSIGN(fields->port, LocalPort(listener.get()));
  return listener;
}

Result<UniqueId> RendezvousServer::Start(const Options& options) {
  UniqueIdFields fields;
  TW_TRY(FillRandom(fields.secret));
  Roots().Free(static_cast<uint16_t>(options.port), fields.secret);
  TW_ASSIGN(Fd listener, Listen(options, &fields));
  TW_TRY(StartRoot(std::move(listener), fields.secret));
  return PackUniqueId(fields);
}

Status RendezvousServer::StartOn(const Fd& listener, const Secret& secret,
                                 std::optional<std::set<int>> awaited) {
  TW_ASSIGN(const uint16_t port, LocalPort(listener.get()));
  Roots().Free(port, secret);
  Fd own(fcntl(listener.get(), F_DUPFD_CLOEXEC, 0));
  if (!own.open()) return SystemErrno("dup");
  return StartRoot(std::move(own), secret, std::move(awaited));
}

Status RendezvousServer::StartWith(const UniqueId& id, const Options& options) {
  TW_ASSIGN(const UniqueIdFields fields, ParseUniqueId(id));
  Roots().Free(fields.port, fields.secret);
  TW_ASSIGN(Fd listener, ListenAsAsked(options, {fields.port, fields.port}));
  return StartRoot(std::move(listener), fields.secret);
}

}  // namespace thinwire
