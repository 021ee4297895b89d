// SPDX-License-Identifier: Apache-2.0
// Two rtnetlink requests, and the little of the protocol they need.
#include "netlink_settings.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "unique_fd.h"

namespace thinwire::lab {
namespace {

constexpr int64_t kLargestSuperPacket = 65536;

// A netlink message: headers, then attributes, each padded to four bytes.
class Request {
 public:
  template <typename Body>
  Request(uint16_t type, uint16_t flags, const Body& body) {
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    Append(&header, sizeof(header));
    Append(&body, sizeof(body));
  }

  void Add(uint16_t type, const void* data, size_t size) {
    const rtattr attribute = {static_cast<uint16_t>(sizeof(rtattr) + size), type};
    Append(&attribute, sizeof(attribute));
    Append(data, size);
  }
  void AddU32(uint16_t type, uint32_t value) { Add(type, &value, sizeof(value)); }

  // The error number the kernel answers with, or 0.
  int Send() {
    const auto length = static_cast<uint32_t>(bytes_.size());
    std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_len), &length, sizeof(length));
    const UniqueFd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    struct {
      nlmsghdr header;
      nlmsgerr result;
      char rest[512];
    } reply{};
    if (send(netlink.get(), bytes_.data(), bytes_.size(), 0) < 0 ||
        recv(netlink.get(), &reply, sizeof(reply), 0) < 0) {
      return errno;
    }
    return reply.header.nlmsg_type == NLMSG_ERROR ? -reply.result.error : 0;
  }

 private:
  void Append(const void* data, size_t size) {
    const auto* from = static_cast<const uint8_t*>(data);
    bytes_.insert(bytes_.end(), from, from + size);
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
  }

  std::vector<uint8_t> bytes_;
};

}  // namespace

void LimitSuperPackets(const char* interface, int64_t bytes) {
  ifinfomsg link{};
  link.ifi_index = static_cast<int>(if_nametoindex(interface));
  Request request(RTM_NEWLINK, 0, link);
  request.AddU32(IFLA_GSO_MAX_SIZE, static_cast<uint32_t>(std::min(bytes, kLargestSuperPacket)));
  errno = request.Send();
  if (errno != 0) ThrowErrno("cannot limit the size of super-packets");
}

bool SetRouteCongestion(const char* interface, uint32_t network, uint32_t own,
                        const std::string& name) {
  rtmsg route{};
  route.rtm_family = AF_INET;
  route.rtm_dst_len = 24;
  route.rtm_table = RT_TABLE_MAIN;
  route.rtm_protocol = RTPROT_KERNEL;
  route.rtm_scope = RT_SCOPE_LINK;
  route.rtm_type = RTN_UNICAST;
  Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route);
  request.AddU32(RTA_DST, htonl(network));
  request.AddU32(RTA_PREFSRC, htonl(own));
  request.AddU32(RTA_OIF, if_nametoindex(interface));
  // The metrics are an attribute made of attributes; this one is a text with its end.
  std::vector<uint8_t> metric(sizeof(rtattr) + name.size() + 1);
  const rtattr header = {static_cast<uint16_t>(metric.size()), RTAX_CC_ALGO};
  std::memcpy(metric.data(), &header, sizeof(header));
  std::memcpy(metric.data() + sizeof(header), name.c_str(), name.size() + 1);
  request.Add(RTA_METRICS, metric.data(), metric.size());
  return request.Send() == 0;
}

}  // namespace thinwire::lab
