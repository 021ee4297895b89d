// SPDX-License-Identifier: Apache-2.0
// Supervision: signals arrive by signalfd, output by pipes, and one poll waits for both.
#include "rank_processes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

#include "emulated_host.h"

namespace thinwire::lab {
namespace {

constexpr int64_t kBetweenTermAndKillNs = 2'000'000'000;
constexpr int kExitCannotRun = 127;

sigset_t WaitedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&set, signal);
  return set;
}

// "NAME=value" for all of our environment, with `added` in place of what it overrides.
std::vector<std::string> Environment(
    const std::vector<std::pair<std::string, std::string>>& added) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('='));
    const bool replaced = std::any_of(added.begin(), added.end(),
                                      [&](const auto& item) { return item.first == name; });
    if (!replaced) result.emplace_back(text);
  }
  for (const auto& [name, value] : added) result.push_back(name + "=" + value);
  return result;
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

Pipe MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) ThrowErrno("pipe");
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// In the child, between fork and exec: system calls only, since other threads exist.
[[noreturn]] void Become(int netns, pid_t parent, int out, int err, char** argv, char** envp) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // should we be killed, the kernel cleans up
  if (getppid() != parent) _exit(kExitCannotRun);
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(null, STDIN_FILENO);
  dup2(out >= 0 ? out : null, STDOUT_FILENO);
  dup2(err >= 0 ? err : null, STDERR_FILENO);
  if (EnterHost(netns)) execvpe(argv[0], argv, envp);
  constexpr char kMessage[] = "thinwire-lab: cannot run the command: ";
  const char* reason = strerrordesc_np(errno);
  if (write(STDERR_FILENO, kMessage, sizeof(kMessage) - 1) > 0 &&
      write(STDERR_FILENO, reason, strlen(reason)) > 0 && write(STDERR_FILENO, "\n", 1) > 0) {
  }
  _exit(kExitCannotRun);
}

// Parent of a process from /proc, or 0. The name, in parentheses, may itself hold anything.
pid_t ParentOf(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(") ");
  int parent = 0;
  char state = 0;
  if (name_end == std::string::npos ||
      std::sscanf(line.c_str() + name_end + 2, "%c %d", &state, &parent) != 2) {
    return 0;
  }
  return parent;
}

std::vector<pid_t> Descendants() {
  std::multimap<pid_t, pid_t> children;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc()) continue;
    children.emplace(ParentOf(name), pid);
  }
  std::vector<pid_t> found = {getpid()};
  for (size_t i = 0; i < found.size(); ++i) {
    const auto [begin, end] = children.equal_range(found[i]);
    for (auto child = begin; child != end; ++child) found.push_back(child->second);
  }
  found.erase(found.begin());
  return found;
}

void SignalDescendants(int signal) {
  for (const pid_t pid : Descendants()) kill(pid, signal);
}

int ExitStatus(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

}  // namespace

void BlockSignals() {
  const sigset_t set = WaitedSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);  // a closed output is an error to handle, not a way to die
}

RankProcesses::RankProcesses(const SuperviseOptions& options) : options_(options) {
  const sigset_t set = WaitedSignals();
  signals_ = UniqueFd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.valid()) ThrowErrno("signalfd");
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) ThrowErrno("PR_SET_CHILD_SUBREAPER");
  if (options_.timeout_ns > 0) timeout_at_ = MonotonicNs() + options_.timeout_ns;
}

RankProcesses::~RankProcesses() { EndDescendants(); }

void RankProcesses::Start(const ProcessSpec& spec) {
  std::vector<std::string> environment = Environment(spec.environment);
  std::vector<char*> envp = Pointers(environment);
  std::vector<char*> argv = Pointers(spec.command);
  // What starts the ranks (no rank of its own) is always heard: it only speaks of trouble.
  const bool shown = !spec.rank || Shown(spec.rank);
  Pipe out;
  Pipe err;
  if (shown) {
    out = MakePipe();
    err = MakePipe();
  }
  const pid_t self = getpid();
  const pid_t pid = fork();
  if (pid < 0) ThrowErrno("fork");
  if (pid == 0) {
    Become(spec.netns, self, out.write_end.get(), err.write_end.get(), argv.data(), envp.data());
  }
  setpgid(pid, pid);  // here too: whoever comes first, the group exists when we signal it
  children_.push_back(
      {spec.rank ? fmt::format("rank {}", *spec.rank) : spec.command.front(), pid, true});
  if (!shown) return;
  ShowOutput(spec.rank, std::move(out.read_end), STDOUT_FILENO);
  ShowOutput(spec.rank, std::move(err.read_end), STDERR_FILENO);
}

void RankProcesses::ShowOutput(std::optional<int> rank, UniqueFd source, int target) {
  const bool prefix = options_.prefix && rank.has_value();
  output_.Add(std::move(source), target, prefix ? fmt::format("[{}] ", *rank) : "");
}

int RankProcesses::Wait() {
  while (AnyRunning()) {
    WaitForEvent();
    OnSignal();
    Reap();
    if (!output_.Pump()) Fail(128 + SIGPIPE);
    const int64_t now = MonotonicNs();
    if (now >= timeout_at_) {
      fmt::print(stderr, "thinwire-lab: time is up\n");
      timeout_at_ = INT64_MAX;
      if (status_ == 0) status_ = kExitTimeout;
      deadline_ = now;
    }
    if (now >= deadline_) Escalate();
  }
  EndDescendants();
  output_.Finish();
  return status_;
}

bool RankProcesses::AnyRunning() const {
  return std::any_of(children_.begin(), children_.end(),
                     [](const Child& child) { return child.running; });
}

void RankProcesses::WaitForEvent() {
  std::vector<pollfd> polled = {{signals_.get(), POLLIN, 0}};
  output_.AppendPolled(&polled);
  const int64_t until = std::min(deadline_, timeout_at_);
  const timespec timeout = ToTimespec(std::max<int64_t>(0, until - MonotonicNs()));
  ppoll(polled.data(), polled.size(), until == INT64_MAX ? nullptr : &timeout, nullptr);
}

void RankProcesses::Reap() {
  int wait_status = 0;
  for (pid_t pid; (pid = waitpid(-1, &wait_status, WNOHANG)) > 0;) {
    for (Child& child : children_) {
      if (child.pid != pid) continue;
      child.running = false;
      const int status = ExitStatus(wait_status);
      if (status == 0) continue;
      if (status_ == 0) {
        fmt::print(stderr, "thinwire-lab: {} ended with status {}\n", child.name, status);
      }
      Fail(status);
    }
  }
}

void RankProcesses::OnSignal() {
  signalfd_siginfo info;
  while (read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
    const int signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGCHLD) continue;
    for (const Child& child : children_) {
      if (child.running) kill(-child.pid, signal);
    }
    // Being asked twice means at once.
    Fail(128 + signal);
    if (++signals_seen_ > 1) deadline_ = MonotonicNs();
  }
}

void RankProcesses::Fail(int status) {
  if (status_ == 0) status_ = status;
  if (deadline_ == INT64_MAX) deadline_ = MonotonicNs() + options_.grace_ns;
}

void RankProcesses::Escalate() {
  SignalDescendants(terminated_ ? SIGKILL : SIGTERM);
  terminated_ = true;
  deadline_ = MonotonicNs() + kBetweenTermAndKillNs;
}

// Daemons and background jobs that outlived the ranks. When one dies its children become ours, so
// this repeats until nothing is left.
void RankProcesses::EndDescendants() {
  const int64_t kill_at = MonotonicNs() + kBetweenTermAndKillNs;
  if (!Descendants().empty()) SignalDescendants(SIGTERM);
  for (;;) {
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD) return;
    if (MonotonicNs() >= kill_at) SignalDescendants(SIGKILL);
    output_.Pump();
    usleep(2000);
  }
}

}  // namespace thinwire::lab
