// SPDX-License-Identifier: Apache-2.0
#include "transport/transport_suite.h"

namespace thinwire {
namespace {

MakeForRanks Tcp(const TransportOptions& options) {
  return [options](int) { return MakeTransport("tcp", options); };
}

INSTANTIATE_TEST_SUITE_P(Tcp, TransportSuite,
                         testing::Values(TransportCase{"adaptive", Tcp({})},
                                         TransportCase{"lo", Tcp({.interface = "lo"})},
                                         TransportCase{"manyFlows", Tcp({.flows = 7})},
                                         TransportCase{"reno", Tcp({.congestion = "reno"})}),
                         CaseName);

}  // namespace
}  // namespace thinwire
