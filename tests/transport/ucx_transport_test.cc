// SPDX-License-Identifier: Apache-2.0
#include "transport/transport_suite.h"

namespace thinwire {
namespace {

Result<std::unique_ptr<Transport>> MakeUcx(int) { return MakeTransport("ucx", {}); }

INSTANTIATE_TEST_SUITE_P(Ucx, TransportSuite, testing::Values(TransportCase{"tcp", MakeUcx}),
                         CaseName);

}  // namespace
}  // namespace thinwire
