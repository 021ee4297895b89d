// SPDX-License-Identifier: Apache-2.0
#include "cuda/emulation/block_emulator.h"

#include <algorithm>
#include <boost/context/fiber.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <random>
#include <string_view>
#include <vector>

thread_local thinwire::emulation::Index threadIdx, blockIdx, blockDim, gridDim;

namespace thinwire::emulation {
namespace {

namespace context = boost::context;

// In which threads of a block get their turn.
enum class Order : uint8_t { kForward, kBackward, kShuffled };

Order ChosenOrder() {
  static const Order order = [] {
    const char* const text = std::getenv("THINWIRE_EMULATED_ORDER");
    const std::string_view name = text == nullptr ? "forward" : text;
    if (name == "backward") return Order::kBackward;
    if (name == "shuffled") return Order::kShuffled;
    if (name == "forward") return Order::kForward;
    std::fprintf(stderr, "THINWIRE_EMULATED_ORDER must be forward, backward or shuffled\n");
    std::abort();
  }();
  return order;
}

constexpr size_t kStackBytes = size_t{64} << 10;

// Stacks that are used again from one thread of a grid to the next.
class StackPool {
 public:
  ~StackPool() {
    for (context::stack_context& stack : free_) maker_.deallocate(stack);
  }
  context::stack_context Take() {
    if (free_.empty()) return maker_.allocate();
    const context::stack_context stack = free_.back();
    free_.pop_back();
    return stack;
  }
  void Give(const context::stack_context& stack) { free_.push_back(stack); }

 private:
  context::fixedsize_stack maker_{kStackBytes};
  std::vector<context::stack_context> free_;
};
thread_local StackPool stacks;

struct PooledStack {
  context::stack_context allocate() { return stacks.Take(); }
  void deallocate(context::stack_context& stack) { stacks.Give(stack); }
};

// A barrier that `expected` threads reach; each round has a number.
struct Barrier {
  unsigned expected = 0;
  unsigned arrived = 0;
  unsigned round = 0;
  unsigned sum = 0;
  unsigned last_sum = 0;

  void Arrive(unsigned value) {
    sum += value;
    ++arrived;
    CompleteIfAll();
  }
  void Leave() {
    --expected;
    if (expected > 0) CompleteIfAll();
  }
  void CompleteIfAll() {
    if (arrived < expected) return;
    last_sum = sum;
    arrived = sum = 0;
    ++round;
  }
};

struct Warp {
  Barrier barrier;
  // Two of them in turn: nobody is two exchanges ahead of another lane.
  uint64_t values[2][kWarpSize] = {};
};

class Block {
 public:
  Block(unsigned threads, const std::function<void()>& body)
      : body_(body), warps_((threads + kWarpSize - 1) / kWarpSize), fibers_(threads) {
    barrier_.expected = threads;
    for (unsigned t = 0; t < threads; ++t) ++warps_[t / kWarpSize].barrier.expected;
    order_.resize(threads);
    std::iota(order_.begin(), order_.end(), 0);
  }

  void Run() {
    current = this;
    for (unsigned t = 0; t < fibers_.size(); ++t) {
      fibers_[t] = context::fiber(std::allocator_arg, PooledStack(),
                                  [this, t](context::fiber&& caller) { return Live(t, &caller); });
    }
    for (unsigned live = static_cast<unsigned>(fibers_.size()); live > 0;) {
      progress_ = 0;
      Arrange();
      for (const unsigned t : order_) {
        if (!fibers_[t]) continue;
        threadIdx = {t, 0, 0};
        fibers_[t] = std::move(fibers_[t]).resume();
        if (!fibers_[t]) --live;
      }
      if (progress_ == 0) {
        std::fprintf(stderr, "block %u: its threads wait for each other at different places\n",
                     blockIdx.x);
        std::abort();
      }
    }
    current = nullptr;
  }

  unsigned Sync(unsigned value) {
    Wait(&barrier_, value);
    return barrier_.last_sum;
  }
  const uint64_t* Share(uint64_t value) {
    const unsigned t = threadIdx.x;
    Warp& warp = warps_[t / kWarpSize];
    uint64_t* const values = warp.values[warp.barrier.round % 2];
    values[t % kWarpSize] = value;
    Wait(&warp.barrier, 0);
    return values;
  }

  static thread_local Block* current;

 private:
  context::fiber Live(unsigned t, context::fiber* caller) {
    caller_ = std::move(*caller);
    body_();
    ++progress_;
    barrier_.Leave();
    warps_[t / kWarpSize].barrier.Leave();
    return std::move(caller_);
  }

  void Wait(Barrier* barrier, unsigned value) {
    const unsigned round = barrier->round;
    const Index self = threadIdx;
    ++progress_;
    barrier->Arrive(value);
    while (barrier->round == round) caller_ = std::move(caller_).resume();
    threadIdx = self;
    ++progress_;
  }

  void Arrange() {
    const Order order = ChosenOrder();
    if (order == Order::kShuffled) {
      std::shuffle(order_.begin(), order_.end(), random_);
    } else if (order == Order::kBackward && order_.front() == 0) {
      std::reverse(order_.begin(), order_.end());
    }
  }

  const std::function<void()>& body_;
  Barrier barrier_;
  std::vector<Warp> warps_;
  std::vector<context::fiber> fibers_;
  context::fiber caller_;
  std::vector<unsigned> order_;
  std::mt19937 random_{1};
  unsigned progress_ = 0;
};

thread_local Block* Block::current = nullptr;

}  // namespace

void RunGrid(unsigned blocks, unsigned threads, const std::function<void()>& body) {
  if (threads == 0 || threads > kMaxBlockThreads || blocks == 0) {
    std::fprintf(stderr, "a grid of %u blocks of %u threads can't be launched\n", blocks, threads);
    std::abort();
  }
  blockDim = {threads, 1, 1};
  gridDim = {blocks, 1, 1};
  for (unsigned block = 0; block < blocks; ++block) {
    blockIdx = {block, 0, 0};
    Block(threads, body).Run();
  }
}

unsigned SyncBlock(unsigned value) { return Block::current->Sync(value); }

const uint64_t* ShareInWarp(unsigned mask, uint64_t value) {
  if (mask != 0xffffffffu) {
    std::fprintf(stderr, "an exchange among some lanes of a warp (mask %08x)\n", mask);
    std::abort();
  }
  return Block::current->Share(value);
}

}  // namespace thinwire::emulation
