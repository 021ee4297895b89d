// SPDX-License-Identifier: Apache-2.0
//
// Saboteur: a child process that does harm to the process that made it, at a given time: it goes on
// when its victim is stopped, and leaves no trace in it.

#ifndef THINWIRE_BENCH_CHAOS_SABOTEUR_H_
#define THINWIRE_BENCH_CHAOS_SABOTEUR_H_

#include <sys/types.h>

#include <string>

namespace thinwire::chaos {

struct Harm {
  // none, kill (SIGKILL), stop (SIGSTOP, later SIGCONT), cut (the network interface is down for a
  // time), unreachable (no packet goes to one address for a time). Others are no harm of a
  // saboteur.
  std::string kind = "none";
  double after_seconds = 0;  // after Begin
  double lasting_seconds = 0;
  std::string interface;  // of `cut`
  std::string address;    // of `unreachable`, IPv4
  std::string note;       // file that tells when it was done, in seconds of the system's clock
};

class Saboteur {
 public:
  // Forks: before there are other threads.
  explicit Saboteur(const Harm& harm);
  ~Saboteur();
  Saboteur(const Saboteur&) = delete;
  Saboteur& operator=(const Saboteur&) = delete;

  void Begin();
  // Waits until what was done is undone.
  void AwaitEnd();

 private:
  pid_t child_ = -1;  // -1: none, or it has ended
  int begin_ = -1;
};

// Seconds of the clock that all processes of the machine share.
double SystemSeconds();

}  // namespace thinwire::chaos

#endif  // THINWIRE_BENCH_CHAOS_SABOTEUR_H_
