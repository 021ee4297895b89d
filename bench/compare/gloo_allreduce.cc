// SPDX-License-Identifier: Apache-2.0
//
// gloo_allreduce ALGORITHM BYTES WARMUPS ITERATIONS FOLDER INTERFACE: times Gloo's all-reduce of
// floats over TCP, `ring` or `halving-doubling`. RANK and WORLD_SIZE are in the environment; ranks
// meet in FOLDER, which must be new.

#include <gloo/allgather.h>
#include <gloo/allreduce.h>
#include <gloo/allreduce_halving_doubling.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "aligned_iterations.h"

namespace {

using AddFunction = void (*)(void*, const void*, const void*, size_t);
constexpr AddFunction kAdd = gloo::sum<float>;

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) return 2;
  const int rank = std::atoi(std::getenv("RANK"));
  const int ranks = std::atoi(std::getenv("WORLD_SIZE"));
  std::vector<float> data(std::strtoull(argv[2], nullptr, 10) / sizeof(float));

  gloo::transport::tcp::attr attributes;
  attributes.iface = argv[6];
  gloo::rendezvous::FileStore store(argv[5]);
  auto device = gloo::transport::tcp::CreateDevice(attributes);
  auto context = std::make_shared<gloo::rendezvous::Context>(rank, ranks);
  context->connectFullMesh(store, device);

  std::unique_ptr<gloo::AllreduceHalvingDoubling<float>> halving_doubling;
  if (std::string(argv[1]) == "halving-doubling") {
    halving_doubling = std::make_unique<gloo::AllreduceHalvingDoubling<float>>(
        context, std::vector<float*>{data.data()}, static_cast<int>(data.size()));
  }
  return thinwire::compare::TimeIterations(
      rank, ranks, std::atoi(argv[3]), std::atoi(argv[4]), &data,
      [&](int64_t mine, int64_t* all) {
        gloo::AllgatherOptions options(context);
        options.setInput(&mine, 1);
        options.setOutput(all, static_cast<size_t>(ranks));
        gloo::allgather(options);
      },
      [&] {
        if (halving_doubling) return halving_doubling->run();
        gloo::AllreduceOptions options(context);
        options.setOutput(data.data(), data.size());
        options.setReduceFunction(kAdd);
        options.setAlgorithm(gloo::AllreduceOptions::Algorithm::RING);
        gloo::allreduce(options);
      });
}
