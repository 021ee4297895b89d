// SPDX-License-Identifier: Apache-2.0
//
// One rank of a program that uses NCCL's functions in every mixture: nccl_mixed_program RANK NRANKS
// ID ITERATIONS. It knows nothing of Thinwire. All ranks draw the same random calls: groups of
// operations over three communicators, checked bit by bit. After 60 % of the iterations the last
// rank kills itself, and the others shrink and go on. Prints "done" and how many operations it
// checked, or what went wrong.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <list>
#include <random>
#include <string>
#include <vector>

#include "nccl.h"
#include "support/elements.h"

namespace {

using thinwire::Bytes;
using thinwire::ContributionOf;
using thinwire::DataType;
using thinwire::Elements;
using thinwire::ReducedOf;
using thinwire::Reduction;
using thinwire::SizeOf;

[[noreturn]] void Fail(const std::string& what) {
  std::printf("%s\n", what.c_str());
  std::fflush(stdout);
  std::_Exit(1);
}

void Check(ncclResult_t result, const char* what) {
  if (result == ncclSuccess) return;
  Fail(std::string(what) + ": " + ncclGetErrorString(result) + ": " + ncclGetLastError(nullptr));
}
#define CHECK(call) Check(call, #call)

struct Member {
  ncclComm_t comm = nullptr;
  int rank = 0;
  int ranks = 0;
};

Member Of(ncclComm_t comm) {
  Member member = {.comm = comm};
  CHECK(ncclCommUserRank(comm, &member.rank));
  CHECK(ncclCommCount(comm, &member.ranks));
  return member;
}

// The world, its halves, and the world in reverse.
std::vector<Member> Split(ncclComm_t world) {
  const Member all = Of(world);
  ncclComm_t half = nullptr;
  ncclComm_t reverse = nullptr;
  CHECK(ncclCommSplit(world, all.rank / 2, all.rank, &half, nullptr));
  CHECK(ncclCommSplit(world, 0, -all.rank, &reverse, nullptr));
  return {all, Of(half), Of(reverse)};
}

// An operation that was issued: its buffers, and what must stand in them when its group has ended.
struct Issued {
  std::string name;
  Bytes send;
  Bytes recv;
  Bytes expected;
};

class Mixture {
 public:
  explicit Mixture(std::mt19937* random) : random_(random) {}

  // Draws the same on all ranks, whatever communicator they draw it for.
  void IssueOne(const std::vector<Member>& members) {
    const Member& on = members[Draw(members.size())];
    const unsigned kind = Draw(9);
    const auto dtype = static_cast<DataType>(Draw(thinwire::kDataTypes));
    const auto reduction = static_cast<Reduction>(Draw(thinwire::kReductions));
    const unsigned drawn = Draw(3);
    const size_t count = drawn == 0 ? Draw(4) : drawn == 1 ? Draw(300) : Draw(20000);
    const unsigned root_drawn = Draw(12);  // a multiple of every number of ranks there is
    const int root = static_cast<int>(root_drawn) % on.ranks;
    Issue(on, kind, dtype, reduction, count, root);
  }

  // After the group's end.
  int CheckAll() {
    int checked = 0;
    for (const Issued& issued : issued_) {
      if (issued.recv != issued.expected) Fail("wrong result of " + issued.name);
      ++checked;
    }
    issued_.clear();
    return checked;
  }

 private:
  unsigned Draw(size_t below) {
    return static_cast<unsigned>((*random_)() % static_cast<unsigned>(below));
  }

  // `parts`: of `count` elements each, as rank `of` holds them.
  static Bytes Input(const Member& on, DataType dtype, Reduction reduction, int of, size_t count) {
    (void)on;
    return Elements(dtype, count,
                    [&](size_t i) { return ContributionOf(dtype, reduction, of, i); });
  }

  Issued& Add(const char* name, DataType dtype, size_t count, const Member& on) {
    issued_.push_back({});
    issued_.back().name = std::string(name) + " of " + std::to_string(count) + " " +
                          std::string(NameOf(dtype)) + " on " + std::to_string(on.ranks) + " ranks";
    return issued_.back();
  }

  void Issue(const Member& on, unsigned kind, DataType dtype, Reduction reduction, size_t count,
             int root) {
    const auto type = static_cast<ncclDataType_t>(dtype);
    const auto op = static_cast<ncclRedOp_t>(reduction);
    const auto ranks = static_cast<size_t>(on.ranks);
    const auto rank = static_cast<size_t>(on.rank);
    const size_t bytes = count * SizeOf(dtype);
    const auto mine = [&](size_t elements) {
      return Input(on, dtype, reduction, on.rank, elements);
    };
    const auto reduced = [&](size_t elements) {
      return Elements(dtype, elements,
                      [&](size_t i) { return ReducedOf(dtype, reduction, on.ranks, i); });
    };
    const auto part = [&](const Bytes& whole, size_t index) {
      return Bytes(whole.begin() + static_cast<std::ptrdiff_t>(index * bytes),
                   whole.begin() + static_cast<std::ptrdiff_t>((index + 1) * bytes));
    };
    const auto append = [](const Bytes& what, Bytes* to) {
      to->insert(to->end(), what.begin(), what.end());
    };
    switch (kind) {
      case 0: {
        Issued& all = Add("all-reduce in place", dtype, count, on);
        all.recv = mine(count);
        all.expected = reduced(count);
        CHECK(ncclAllReduce(all.recv.data(), all.recv.data(), count, type, op, on.comm, nullptr));
        return;
      }
      case 1: {
        Issued& to_root = Add("reduce", dtype, count, on);
        to_root.send = mine(count);
        to_root.recv = Bytes(bytes);
        to_root.expected = on.rank == root ? reduced(count) : Bytes(bytes);
        CHECK(ncclReduce(to_root.send.data(), to_root.recv.data(), count, type, op, root, on.comm,
                         nullptr));
        return;
      }
      case 2: {
        Issued& from_root = Add("broadcast", dtype, count, on);
        from_root.recv = mine(count);
        from_root.expected = Input(on, dtype, reduction, root, count);
        CHECK(ncclBcast(from_root.recv.data(), count, type, root, on.comm, nullptr));
        return;
      }
      case 3: {
        Issued& gather = Add("all-gather", dtype, count, on);
        gather.send = mine(count);
        gather.recv = Bytes(ranks * bytes);
        for (int r = 0; r < on.ranks; ++r) {
          append(Input(on, dtype, reduction, r, count), &gather.expected);
        }
        CHECK(ncclAllGather(gather.send.data(), gather.recv.data(), count, type, on.comm, nullptr));
        return;
      }
      case 4: {
        Issued& scatter = Add("reduce-scatter", dtype, count, on);
        scatter.send = mine(ranks * count);
        scatter.recv = Bytes(bytes);
        scatter.expected = part(reduced(ranks * count), rank);
        CHECK(ncclReduceScatter(scatter.send.data(), scatter.recv.data(), count, type, op, on.comm,
                                nullptr));
        return;
      }
      case 5:
      case 6: {
        // As one call, or by 2n of them, oneself included.
        Issued& swap = Add(kind == 5 ? "all-to-all" : "sends and receives", dtype, count, on);
        swap.send = mine(ranks * count);
        swap.recv = Bytes(ranks * bytes);
        for (int r = 0; r < on.ranks; ++r) {
          append(part(Input(on, dtype, reduction, r, ranks * count), rank), &swap.expected);
        }
        if (kind == 5) {
          CHECK(ncclAlltoAll(swap.send.data(), swap.recv.data(), count, type, on.comm, nullptr));
          return;
        }
        CHECK(ncclGroupStart());
        for (int peer = 0; peer < on.ranks; ++peer) {
          const size_t at = static_cast<size_t>(peer) * bytes;
          CHECK(ncclSend(swap.send.data() + at, count, type, peer, on.comm, nullptr));
          CHECK(ncclRecv(swap.recv.data() + at, count, type, peer, on.comm, nullptr));
        }
        CHECK(ncclGroupEnd());
        return;
      }
      case 7: {
        // An uneven all-gather: each rank's elements by a broadcast of its own.
        Issued& uneven = Add("uneven all-gather", dtype, count, on);
        std::vector<size_t> begins = {0};
        for (int r = 0; r < on.ranks; ++r) {
          const size_t own = count / static_cast<size_t>(r + 1);
          append(Input(on, dtype, reduction, r, own), &uneven.expected);
          begins.push_back(uneven.expected.size());
        }
        uneven.send = mine(count / (rank + 1));
        uneven.recv = Bytes(uneven.expected.size());
        CHECK(ncclGroupStart());
        for (size_t r = 0; r < ranks; ++r) {
          CHECK(ncclBroadcast(uneven.send.data(), uneven.recv.data() + begins[r], count / (r + 1),
                              type, static_cast<int>(r), on.comm, nullptr));
        }
        CHECK(ncclGroupEnd());
        return;
      }
      default: {
        Issued& scaled = Add("scaled sum", dtype, count, on);
        Bytes two(8);
        thinwire::StoreElement(dtype, 2, two.data());
        const auto contribution = [&](int r, size_t i) {
          return ContributionOf(dtype, Reduction::kSum, r, i);
        };
        scaled.recv = Elements(dtype, count, [&](size_t i) { return contribution(on.rank, i); });
        scaled.expected = Elements(dtype, count, [&](size_t i) {
          int sum = 0;
          for (int r = 0; r < on.ranks; ++r) sum += 2 * contribution(r, i);
          return sum;
        });
        ncclRedOp_t twice = ncclSum;
        CHECK(ncclRedOpCreatePreMulSum(&twice, two.data(), type, ncclScalarHostImmediate, on.comm));
        CHECK(ncclAllReduce(scaled.recv.data(), scaled.recv.data(), count, type, twice, on.comm,
                            nullptr));
        CHECK(ncclRedOpDestroy(twice, on.comm));
        return;
      }
    }
  }

  std::mt19937* random_;
  std::list<Issued> issued_;  // buffers stay where they are
};

ncclUniqueId IdOf(const char* hex) {
  ncclUniqueId id;
  for (size_t i = 0; i < sizeof(id); ++i) {
    unsigned byte = 0;
    if (std::sscanf(hex + 2 * i, "%2x", &byte) != 1) Fail("the id is cut short");
    id.internal[i] = static_cast<char>(byte);
  }
  return id;
}

int Iterate(int iterations, const std::vector<Member>& members, std::mt19937* random) {
  Mixture mixture(random);
  int checked = 0;
  for (int i = 0; i < iterations; ++i) {
    const unsigned calls = 1 + (*random)() % 4;
    CHECK(ncclGroupStart());
    for (unsigned call = 0; call < calls; ++call) mixture.IssueOne(members);
    CHECK(ncclGroupEnd());
    checked += mixture.CheckAll();
  }
  return checked;
}

// The survivors' world, once the last rank is lost.
ncclComm_t WithoutTheLast(const Member& world) {
  float value = 1;
  if (ncclAllReduce(&value, &value, 1, ncclFloat, ncclSum, world.comm, nullptr) == ncclSuccess) {
    Fail("an operation succeeded without the rank that was killed");
  }
  ncclResult_t error = ncclSuccess;
  CHECK(ncclCommGetAsyncError(world.comm, &error));
  if (error == ncclSuccess) Fail("the communicator does not know that a rank was lost");
  int lost = world.ranks - 1;
  ncclComm_t survivors = nullptr;
  CHECK(ncclCommShrink(world.comm, &lost, 1, &survivors, nullptr, NCCL_SHRINK_ABORT));
  return survivors;
}

}  // namespace

// The rank that is killed leaves everything behind.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options();  // NOLINT
const char* __asan_default_options() { return "detect_leaks=0"; }

int main(int argc, char** argv) {
  if (argc != 5) Fail("usage: nccl_mixed_program RANK NRANKS ID ITERATIONS");
  const int rank = std::atoi(argv[1]);
  const int ranks = std::atoi(argv[2]);
  const int iterations = std::atoi(argv[4]);
  std::mt19937 random(7);
  ncclComm_t world = nullptr;
  CHECK(ncclCommInitRank(&world, ranks, IdOf(argv[3]), rank));
  std::vector<Member> members = Split(world);
  int checked = Iterate(iterations * 6 / 10, members, &random);
  if (rank == ranks - 1) std::raise(SIGKILL);
  ncclComm_t survivors = WithoutTheLast(members.front());
  for (const Member& member : members) CHECK(ncclCommAbort(member.comm));
  members = Split(survivors);
  checked += Iterate(iterations - iterations * 6 / 10, members, &random);
  for (const Member& member : members) CHECK(ncclCommDestroy(member.comm));
  std::printf("done %d\n", checked);
  return 0;
}
