// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <sys/socket.h>
#include <ucp/api/ucp.h>

#include <csignal>
#include <cstdlib>
#include <cstring>

#include "transport/child_rank.h"
#include "transport/transport_suite.h"

namespace thinwire {
namespace {

Result<std::unique_ptr<Transport>> MakeUcx(int) { return MakeTransport("ucx", {}); }
Result<std::unique_ptr<Transport>> MakeUcxOnLo(int) {
  return MakeTransport("ucx", {.interface = "lo"});
}

INSTANTIATE_TEST_SUITE_P(Ucx, TransportSuite,
                         testing::Values(TransportCase{"anyInterface", MakeUcx},
                                         TransportCase{"lo", MakeUcxOnLo}),
                         CaseName);

TEST(UcxTransportTest, AMissingInterfaceIsNamedWithThoseThatExist) {
  const Status status = MakeTransport("ucx", {.interface = "wan77"}).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), testing::HasSubstr("wan77"));
  EXPECT_THAT(status.message(), testing::HasSubstr("lo"));
}

TEST(UcxTransportTest, SignalHandlersAreNotUcxs) {
  const auto transport = MakeUcx(1);
  ASSERT_TRUE(transport.ok());
  for (const int signal : {SIGSEGV, SIGILL, SIGBUS, SIGFPE}) {
    struct sigaction action = {};
    sigaction(signal, nullptr, &action);
    Dl_info info = {};
    const void* handler = reinterpret_cast<const void*>(action.sa_handler);
    if (handler == nullptr || dladdr(handler, &info) == 0)
      continue;  // default, or not in a library
    EXPECT_THAT(info.dli_fname, testing::Not(testing::HasSubstr("libucs"))) << "signal " << signal;
  }
}

// Sizes of `option` (SO_SNDBUF ...) of this process's TCP connections.
std::vector<int> BuffersOfConnections(int option) {
  std::vector<int> sizes;
  for (int fd = 0; fd < 1024; ++fd) {
    sockaddr_storage peer = {};
    socklen_t length = sizeof(peer);
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) != 0) continue;
    if (peer.ss_family != AF_INET && peer.ss_family != AF_INET6) continue;
    int size = 0;
    length = sizeof(size);
    EXPECT_EQ(getsockopt(fd, SOL_SOCKET, option, &size, &length), 0);
    sizes.push_back(size);
  }
  return sizes;
}

TEST(UcxTransportTest, SocketBuffersAreAsLargeAsTheSystemGrants) {
  if (getenv("UCX_TCP_SNDBUF") != nullptr || getenv("UCX_TCP_RCVBUF") != nullptr) {
    GTEST_SKIP() << "the user has chosen the buffers";
  }
  Made made = MakeRanks(MakeUcx, 2);
  std::thread other(
      [&] { EXPECT_TRUE(made.transports[1]->Connect(1, made.addresses, Patience()).ok()); });
  EXPECT_TRUE(made.transports[0]->Connect(0, made.addresses, Patience()).ok());
  other.join();
  for (const int option : {SO_SNDBUF, SO_RCVBUF}) {
    const int wanted = 8 << 20;
    int granted = 0;
    socklen_t length = sizeof(granted);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, option, &wanted, sizeof(wanted));
    getsockopt(fd, SOL_SOCKET, option, &granted, &length);
    close(fd);
    const std::vector<int> sizes = BuffersOfConnections(option);
    EXPECT_FALSE(sizes.empty());
    if (granted < 2 * (2 << 20)) continue;  // too small to be set: auto-tuned
    EXPECT_THAT(sizes, testing::Each(testing::Ge(granted)));
  }
}

INSTANTIATE_TEST_SUITE_P(Ucx, ProcessSuite, testing::Values("ucx"));

// A program that speaks UCX to a transport's worker but isn't one of ours.
class Stranger {
 public:
  explicit Stranger(const std::string& address) {
    ucp_config_t* config = nullptr;
    EXPECT_EQ(ucp_config_read(nullptr, nullptr, &config), UCS_OK);
    EXPECT_EQ(ucp_config_modify(config, "TLS", "tcp"), UCS_OK);
    ucp_params_t params = {};
    params.field_mask = UCP_PARAM_FIELD_FEATURES;
    params.features = UCP_FEATURE_AM;
    EXPECT_EQ(ucp_init(&params, config, &context_), UCS_OK);
    ucp_config_release(config);
    ucp_worker_params_t worker_params = {};
    EXPECT_EQ(ucp_worker_create(context_, &worker_params, &worker_), UCS_OK);
    const std::string body(UnpackAddress("ucx", address, 0).value());
    ucp_ep_params_t ep_params = {};
    ep_params.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE;
    ep_params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
    ep_params.address = reinterpret_cast<const ucp_address_t*>(body.data());
    EXPECT_EQ(ucp_ep_create(worker_, &ep_params, &endpoint_), UCS_OK);
  }
  ~Stranger() {
    ucp_request_param_t param = {};
    param.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
    param.flags = UCP_EP_CLOSE_FLAG_FORCE;
    Finish(ucp_ep_close_nbx(endpoint_, &param), [] {});
    ucp_worker_destroy(worker_);
    ucp_cleanup(context_);
  }

  // Sends and waits until UCX has taken it; `meanwhile` runs over and over.
  void Send(const std::string& header, const std::string& data, uint32_t flags,
            const std::function<void()>& meanwhile) {
    ucp_request_param_t param = {};
    param.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
    param.flags = flags;
    Finish(ucp_am_send_nbx(endpoint_, 0, header.data(), header.size(), data.data(), data.size(),
                           &param),
           meanwhile);
  }

 private:
  void Finish(ucs_status_ptr_t request, const std::function<void()>& meanwhile) {
    if (!UCS_PTR_IS_PTR(request)) return;
    while (ucp_request_check_status(request) == UCS_INPROGRESS) {
      ucp_worker_progress(worker_);
      meanwhile();
    }
    ucp_request_free(request);
  }

  ucp_context_h context_ = nullptr;
  ucp_worker_h worker_ = nullptr;
  ucp_ep_h endpoint_ = nullptr;
};

std::string HeaderOf(uint32_t magic, uint32_t kind, uint32_t source) {
  const uint32_t fields[] = {magic, kind, source, ~(magic ^ source ^ (kind << 24))};
  return {reinterpret_cast<const char*>(fields), sizeof(fields)};
}

TEST(UcxTransportTest, MessagesOfStrangersAreDropped) {
  constexpr uint32_t kMagic = 0x31585754;
  RunRanks(MakeUcx, 2, [](Rank& self) {
    if (self.rank() == 1) return self.UntilArrived(1);
    const Result<std::string> address = self.transport().Address();
    Stranger stranger(address.value());
    const auto poll = [&] { self.transport().Poll(&self.arrived); };
    const std::string good = HeaderOf(kMagic, 0, 1);
    std::string flipped = good;
    flipped[8] = static_cast<char>(flipped[8] ^ 4);
    const std::string bad[] = {"",
                               "short",
                               good + "long",
                               flipped,
                               HeaderOf(kMagic + 1, 0, 1),
                               HeaderOf(kMagic, 0, 0),           // oneself
                               HeaderOf(kMagic, 0, 2),           // out of range
                               HeaderOf(kMagic, 0, 0xffffffff),  // far out
                               HeaderOf(kMagic, 99, 1)};
    for (const std::string& header : bad) {
      stranger.Send(header, "x", UCP_AM_SEND_FLAG_EAGER, poll);
      stranger.Send(header, std::string(100000, 'x'), UCP_AM_SEND_FLAG_EAGER, poll);
      stranger.Send(header, std::string(100000, 'x'), UCP_AM_SEND_FLAG_RNDV, poll);
    }
    // The last one is valid, and of one connection: what was before it has been seen.
    stranger.Send(good, "last", UCP_AM_SEND_FLAG_EAGER, poll);
    self.UntilArrived(1);
    ASSERT_EQ(self.arrived.size(), 1u);
    EXPECT_EQ(Text(self.arrived[0].bytes()), "last");
    EXPECT_TRUE(self.SendAndWait(1, Pattern(1, 10)).ok());
  });
}

TEST(UcxTransportTest, ARendezvousMessageFailsItsPeer) {
  RunRanks(MakeUcx, 2, [](Rank& self) {
    if (self.rank() == 1) {
      EXPECT_EQ(self.UntilPeerFails(0).code(), Code::kRemote);  // stays until rank 0 has closed
      return;
    }
    Stranger stranger(self.transport().Address().value());
    const auto poll = [&] { self.transport().Poll(&self.arrived); };
    stranger.Send(HeaderOf(0x31585754, 0, 1), std::string(100000, 'x'), UCP_AM_SEND_FLAG_RNDV,
                  poll);
    EXPECT_THAT(self.UntilPeerFails(1).message(), testing::HasSubstr("rendezvous"));
    EXPECT_TRUE(self.arrived.empty());
  });
}

TEST(UcxTransportTest, AMessageThatOutlivesItsTransportKeepsItsBytes) {
  Message kept;
  RunRanks(MakeUcx, 2, [&](Rank& self) {
    if (self.rank() == 0) {
      EXPECT_TRUE(self.SendAndWait(1, Pattern(1, 100000)).ok());
    } else {
      self.UntilArrived(1);
      kept = std::move(self.arrived[0]);
    }
  });
  EXPECT_TRUE(Text(kept.bytes()) == Text(Pattern(1, 100000)));
}

}  // namespace
}  // namespace thinwire
