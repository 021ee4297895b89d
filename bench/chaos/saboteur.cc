// SPDX-License-Identifier: Apache-2.0
#include "saboteur.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>
#include <net/route.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace thinwire::chaos {
namespace {

void Sleep(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

void SetInterface(const std::string& name, bool up) {
  const int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  bool done = ioctl(control, SIOCGIFFLAGS, &request) == 0;
  request.ifr_flags =
      static_cast<int16_t>(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
  done = done && ioctl(control, SIOCSIFFLAGS, &request) == 0;
  close(control);
  if (!done) throw std::runtime_error("cannot change the interface " + name);
}

sockaddr AddressOf(in_addr_t ip) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ip;
  sockaddr result{};
  std::memcpy(&result, &address, sizeof(result));
  return result;
}

void SetReachable(const std::string& address, bool reachable) {
  rtentry route{};
  route.rt_dst = AddressOf(inet_addr(address.c_str()));
  route.rt_genmask = AddressOf(INADDR_NONE);
  route.rt_flags = RTF_UP | RTF_HOST | RTF_REJECT;
  const int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool done = ioctl(control, reachable ? SIOCDELRT : SIOCADDRT, &route) == 0;
  close(control);
  if (!done) throw std::runtime_error("cannot change the route to " + address);
}

void Start(const Harm& harm, pid_t victim) {
  if (harm.kind == "kill") kill(victim, SIGKILL);
  if (harm.kind == "stop") kill(victim, SIGSTOP);
  if (harm.kind == "cut") SetInterface(harm.interface, false);
  if (harm.kind == "unreachable") SetReachable(harm.address, false);
}

void Undo(const Harm& harm, pid_t victim) {
  if (harm.kind == "stop") kill(victim, SIGCONT);
  if (harm.kind == "cut") SetInterface(harm.interface, true);
  if (harm.kind == "unreachable") SetReachable(harm.address, true);
}

int Strike(const Harm& harm, pid_t victim, int begin) {
  char start = 0;
  if (read(begin, &start, 1) != 1) return 0;  // the victim has ended before
  Sleep(harm.after_seconds);
  const std::string draft = harm.note + ".draft";
  std::ofstream(draft) << fmt::format("{:.6f}\n", SystemSeconds());
  std::rename(draft.c_str(), harm.note.c_str());
  try {
    Start(harm, victim);
    Sleep(harm.lasting_seconds);
    Undo(harm, victim);
  } catch (const std::exception& failure) {
    fmt::print(stderr, "chaos: {}\n", failure.what());
    return 1;
  }
  return 0;
}

}  // namespace

double SystemSeconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Saboteur::Saboteur(const Harm& harm) {
  if (harm.kind == "none") return;
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("cannot make a pipe");
  const pid_t victim = getpid();
  child_ = fork();
  if (child_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(ends[1]);
    _exit(Strike(harm, victim, ends[0]));
  }
  close(ends[0]);
  begin_ = ends[1];
}

Saboteur::~Saboteur() { AwaitEnd(); }

void Saboteur::Begin() {
  if (begin_ >= 0 && write(begin_, "b", 1) != 1) throw std::runtime_error("no saboteur");
}

void Saboteur::AwaitEnd() {
  if (begin_ >= 0) close(std::exchange(begin_, -1));
  if (child_ > 0) waitpid(std::exchange(child_, -1), nullptr, 0);
}

}  // namespace thinwire::chaos
