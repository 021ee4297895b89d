// SPDX-License-Identifier: Apache-2.0
//
// Every environment variable the library reads, in one struct: name, meaning and default stand
// beside the field; docs/env.md is made of these comments. NCCL's configuration files are read as
// well (variables.h). Nothing else reads variables (log.cc reads its own before this exists).

#ifndef THINWIRE_BASE_ENV_H_
#define THINWIRE_BASE_ENV_H_

#include <string>
#include <vector>

#include "base/socket.h"
#include "base/status.h"

namespace thinwire {

struct Env {
  // THINWIRE_DEBUG: NONE, VERSION, WARN, INFO or TRACE: what is logged. Default: NCCL_DEBUG, or
  // else WARN.

  // NCCL_DEBUG: likewise, in any case of letters, as with NCCL; ABORT is as WARN here.

  // NCCL_DEBUG_SUBSYS: whose INFO and TRACE lines are logged: a list of INIT, BOOTSTRAP, ENV, NET,
  // COLL, TUNING, ALLOC, CALL; all but these after ^. Default: all.

  // NCCL_DEBUG_FILE: where lines go; %h stands for the host's name, %p for the process. Default:
  // standard error.

  // NCCL_CONF_FILE: a file of variables, NAME=VALUE a line, for those that the environment doesn't
  // set; /etc/nccl.conf is read after it. Default: ~/.nccl.conf.

  // THINWIRE_POLICY: which codec and algorithm operations use (docs/policy.md), e.g. "q8" or
  // "all_reduce float >=1M: q8 algo=sra". Default empty: everything exact, algorithm by planner.
  std::string policy;

  // NCCL_ALGO: the algorithm where the policy names none: Ring is ring, Tree is double-tree, of
  // all-reduces; "allreduce:tree;broadcast:ring" for operations of their own; a list: the first
  // that can; of NCCL's others, and after ^, nothing is heeded. Default empty: the planner's
  // choice.
  std::string nccl_algorithms;

  // THINWIRE_TRANSPORT: tcp, ucx, loopback, mpi (where MPI is installed), or auto: tcp, or ucx
  // where UCX_TLS says which networks that shall use (docs/design/014-tcp-transport.md). Default
  // auto.
  std::string transport = "auto";

  // THINWIRE_MPI_PIECE: bytes a piece, in which transport mpi sends messages; 1K to 64K. Must be
  // within what MPI sends eagerly. Default 12K.
  size_t mpi_piece_bytes = size_t{12} << 10;

  // THINWIRE_MPI_FLOOR: collectives of MPI programs go over Thinwire from so many bytes on, where
  // libthinwire_mpi_preload.so is preloaded (docs/mpi.md); rank 0's value holds for all. Default
  // 32K.
  size_t mpi_floor_bytes = size_t{32} << 10;

  // THINWIRE_LINK: what the links are like: "rate=500mbit,delay=20ms" for every pair, "file=PATH"
  // (docs/link-file.md), "measure" (probed when a communicator is made, in under 2 s) or "unknown"
  // (nothing is paced). Paces injection, sizes segments and windows, chooses algorithms and codecs;
  // rank 0's value holds for all. Default empty: measured, but for loopback transport.
  std::string link;

  // THINWIRE_SHAPE: like THINWIRE_LINK, and makes every transport behave so (in-process emulation
  // of a slow link; for tests and trials on one machine). Default empty: no emulation.
  std::string shape;

  // THINWIRE_INTERFACE: the network interfaces to use: eth0, a list, eth* for all that begin so,
  // all but these after ^. Default: those of NCCL_SOCKET_IFNAME, or else every one.
  std::string interface;

  // NCCL_SOCKET_IFNAME: likewise, as with NCCL: eth for all that begin so, =eth0 for this one.

  // NCCL_SOCKET_FAMILY: AF_INET or AF_INET6: the addresses by which ranks find each other are of
  // IPv4 or of IPv6 only. Default empty: both, IPv4 first.
  IpFamily family = IpFamily::kAny;

  // NCCL_COMM_ID: ADDRESS:PORT where rank 0 gathers the ranks, in place of any free port: every
  // rank may then make the unique id itself. All ranks have the same. Default empty.
  std::string root;

  // THINWIRE_TIMEOUT: how long an operation may wait for its peers. Default 600 s.
  double timeout_seconds = 600;

  // THINWIRE_CONNECT_TIMEOUT: how long set-up may wait for the other ranks. Default 60 s.
  double connect_timeout_seconds = 60;

  // THINWIRE_SILENCE: a peer from which nothing (heartbeats included) came for so long is given
  // up; links on which a frame takes long get more time. Default 10 s.
  double silence_seconds = 10;

  // THINWIRE_SURVIVAL: what becomes of calls when ranks are lost or late (docs/survival.md): abort,
  // exclude, vote, either with (least=RANKS), or deadline(ranks=RANKS,after=TIME). Rank 0's value
  // holds for all. Default abort: they fail.
  std::string survival;

  // THINWIRE_EARLY: memory for what one peer sent of calls that this rank has not made yet; more is
  // an error. Default 1G.
  size_t early_bytes = size_t{1} << 30;

  // THINWIRE_FLIGHT_FILE: where a communicator that fails writes what its last calls were, as JSON
  // for PyTorch's flight recorder tools: %r stands for the rank, %c for the communicator, %h for
  // the host, %p for the process. Default empty: nowhere.
  std::string flight_file;

  // THINWIRE_FLIGHT_CALLS: how many calls are kept for that. Default 2000.
  size_t flight_calls = 2000;

  // THINWIRE_TRACE_FILE: where calls are drawn as they end, for chrome://tracing and Perfetto
  // (docs/observability.md): %r, %c, %h and %p as in THINWIRE_FLIGHT_FILE. Default empty: nowhere.
  std::string trace_file;

  // THINWIRE_METRICS_FILE: a file for Prometheus' node exporter, with what the communicators of
  // this process did: %r, %c, %h and %p likewise. Default empty: none.
  std::string metrics_file;

  // THINWIRE_METRICS_PERIOD: how often it is written, while calls end. Default 10 s.
  double metrics_seconds = 10;

  // THINWIRE_REPORT_FILE: where a communicator that closes or fails says what compression saved,
  // and why calls took what they took: %r, %c, %h and %p likewise. Default empty: nowhere.
  std::string report_file;

  // THINWIRE_SEGMENT: bytes on the wire a segment aims at. Default 0: what the slowest link carries
  // in 1.5 ms, from 16K to 256K; 128K where links are unknown.
  size_t segment_bytes = 0;

  // THINWIRE_MEASURE_ERROR: 1 measures the relative error of every lossy encode (costs one decode).
  // Default 0.
  bool measure_error = false;

  // THINWIRE_STATE_BYTES: memory that the state of codecs (residuals, references; docs/state.md)
  // may take in each communicator. Default 0: no limit.
  size_t state_bytes = 0;

  // THINWIRE_STATE_FOLDER: where state beyond that goes, in a file of this process. Default empty:
  // nowhere, new keys are refused.
  std::string state_folder;

  // THINWIRE_THREADS: threads that encode, decode and reduce, the engine's own included. Default 1.
  int threads = 1;

  // THINWIRE_DEVICE: auto: tensors in host memory and, where there is a CUDA device, in its memory;
  // host: never CUDA; cuda: an error where there is none. Default auto.
  std::string device = "auto";

  // No variable: the number of the CUDA device, modulo how many there are; -1: the one that is
  // current on the thread that makes a communicator.
  int cuda_device = -1;

  // NCCL_COMM_BLOCKING: 1 or 0, in place of the `blocking` of communicators' configurations, as
  // with NCCL. Default empty: as they say.
  std::string blocking;

  // THINWIRE_CUDA_WAIT: how streams wait for the network: memops (memory operations of the stream),
  // kernel (of one thread), hostfunc (host functions), or auto: the first the driver has. Default
  // auto.
  std::string cuda_wait = "auto";

  // THINWIRE_SITES: which ranks share a fast network: "8" (every eight in a row) or "0-3;4-7". An
  // all-reduce on device memory is then exact by NCCL inside a site, and only what is between sites
  // goes by Thinwire. The same on all ranks. Default empty: all ranks alike.
  std::string sites;

  // THINWIRE_NCCL: path of NVIDIA's NCCL, for that. Default empty: libnccl.so.2 as the loader finds
  // it.
  std::string nccl;

  // THINWIRE_FALLBACK: path of another NCCL, to which libnccl.so.2 hands over whole communicators
  // whose ranks stand close together (known links, all below 1 ms) and whose policy is exact
  // (docs/nccl-compat.md). Default empty: none.
  std::string fallback;

  // No variable: whoever makes the communicator would hand it over.
  bool hand_over = false;

  // THINWIRE_MODULES: folder where optional parts (libthinwire_cuda.so) are looked for before all
  // others. Default empty: beside the library.
  std::string modules;

  // THINWIRE_SECRET: shared by the ranks of a job started from RANK/WORLD_SIZE/MASTER_ADDR/
  // MASTER_PORT, so that strangers on the port are turned away. Default empty.
  std::string secret;

  // THINWIRE_ENCRYPT: 1 seals all messages between ranks, so that others on the way can neither
  // read nor change them (docs/security.md). The same on all ranks. Default 0.
  bool encrypt = false;

  // THINWIRE_PORT: port on which rank 0 gathers the ranks. Default MASTER_PORT, or MASTER_PORT + 1
  // where torchrun's own store sits on it; 0 for unique ids: any free one.
  int port = 0;

  // THINWIRE_HOST: address rank 0 advertises in a unique id, for hosts behind NAT; the tcp
  // transport of each rank names it before its own addresses. Default empty: every address of the
  // interfaces in use.
  std::string host;

  // THINWIRE_PORT_RANGE: ports to listen on, such as 40000-40100, for firewalls: the tcp
  // transport's, and the rendezvous' of unique ids. Default empty: any free one.
  PortRange port_range;

  // THINWIRE_CONGESTION: TCP congestion control of the tcp transport, such as bbr or cubic. Default
  // empty: bbr where the system has and allows it, else the system's.
  std::string congestion;

  // THINWIRE_FLOWS: connections of the tcp transport to each peer, 1 to 128. Default 0: what NCCL's
  // two variables say, or else one, and more where losses hold it back.
  int flows = 0;

  // NCCL_SOCKET_NTHREADS: times NCCL_NSOCKS_PERTHREAD, as many flows. Default 1, if that is set.

  // NCCL_NSOCKS_PERTHREAD: likewise. Default 1, if NCCL_SOCKET_NTHREADS is set.

  // The variables above, or an error naming the one that makes no sense.
  static Result<Env> Read();

  // A variable: what the environment says, or its default.
  struct Variable {
    std::string name;
    std::string value;
    bool set = false;  // by the environment
  };
  // Likewise, as text, for people to look at; secrets left out.
  static Result<std::vector<Variable>> InEffect();
};

}  // namespace thinwire

#endif  // THINWIRE_BASE_ENV_H_
