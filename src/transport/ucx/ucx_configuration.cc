// SPDX-License-Identifier: Apache-2.0
#include "transport/ucx/ucx_configuration.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <ucs/config/global_opts.h>
#include <ucs/debug/debug.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <vector>

#include "base/log.h"
#include "base/socket.h"

namespace thinwire {
namespace {

// UCX's own variables, not ours: only asked whether the user decided.
bool UserSet(const char* variable) { return std::getenv(variable) != nullptr; }

// UCX installs handlers for SIGSEGV and its like as soon as it is loaded, over those a program
// (Python's faulthandler, say) may have; put them back at once.
[[gnu::constructor]] void LeaveSignalsAlone() {
  if (UserSet("UCX_ERROR_SIGNALS") || UserSet("UCX_HANDLE_ERRORS")) return;
  for (const int signal : {SIGILL, SIGSEGV, SIGBUS, SIGFPE}) ucs_debug_disable_signal(signal);
}

// A peer that goes away is reported by PeerStatus; UCX's lines about it only alarm.
void SilenceUcxOnce() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (!UserSet("UCX_LOG_LEVEL")) ucs_global_opts_set_value("LOG_LEVEL", "fatal");
  });
}

// A fixed buffer holds 2 x bandwidth x delay from the start, where the kernel's auto-tuning still
// grows. But the kernel cuts what is asked to net.core.{w,r}mem_max without a word, and a small
// fixed buffer is worse than auto-tuning: then auto-tuning stays.
constexpr int kWantedBuffer = 8 << 20;
constexpr int kLeastBuffer = 2 << 20;

// Bytes of socket buffer the kernel grants when kWantedBuffer is asked.
int GrantedBuffer(int option) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return 0;
  int granted = 0;
  socklen_t length = sizeof(granted);
  setsockopt(fd, SOL_SOCKET, option, &kWantedBuffer, sizeof(kWantedBuffer));
  getsockopt(fd, SOL_SOCKET, option, &granted, &length);
  close(fd);
  return granted / 2;  // Linux reports twice the size, counting its own overhead
}

class Configuration {
 public:
  static Result<std::unique_ptr<Configuration>> Read() {
    auto configuration = std::make_unique<Configuration>();
    const ucs_status_t status = ucp_config_read(nullptr, nullptr, &configuration->config_);
    if (status != UCS_OK) return UcxError(status, "UCX reads its configuration");
    return configuration;
  }
  ~Configuration() {
    if (config_ != nullptr) ucp_config_release(config_);
  }

  Status Set(const char* name, const std::string& value) {
    const ucs_status_t status = ucp_config_modify(config_, name, value.c_str());
    if (status != UCS_OK) return UcxError(status, fmt::format("UCX sets {}={}", name, value));
    return {};
  }
  Status SetUnlessUserDid(const char* name, const std::string& value) {
    return UserSet(fmt::format("UCX_{}", name).c_str()) ? Status() : Set(name, value);
  }
  // A setting of UCX's tcp, UCX_TCP_<name>. ucp_config_modify knows it without the prefix only;
  // with it, it returns success and ignores the value.
  Status SetTcpUnlessUserDid(const char* name, const std::string& value) {
    return UserSet(fmt::format("UCX_TCP_{}", name).c_str()) ? Status() : Set(name, value);
  }
  Status SetBuffer(const char* name, int option, const char* limit) {
    const int granted = GrantedBuffer(option);
    if (granted >= kLeastBuffer) return SetTcpUnlessUserDid(name, std::to_string(kWantedBuffer));
    TW_LOG(kInfo, "socket buffers stay auto-tuned: raise {} from {} to {} for long links", limit,
           granted, kWantedBuffer);
    return {};
  }
  const ucp_config_t* get() const { return config_; }

 private:
  ucp_config_t* config_ = nullptr;
};

}  // namespace

bool UserChoseUcxNetworks() { return UserSet("UCX_TLS"); }

Status UcxError(ucs_status_t status, const std::string& what) {
  return SystemError("{}: {}", what, ucs_status_string(status));
}

Result<ucp_context_h> MakeUcxContext(const std::string& interface) {
  SilenceUcxOnce();
  TW_ASSIGN(const std::unique_ptr<Configuration> configuration, Configuration::Read());
  TW_TRY(configuration->SetUnlessUserDid("TLS", "tcp"));
  TW_TRY(configuration->Set("RNDV_THRESH", "inf"));
  // UCX 1.13 ends the process (an assertion in its tcp) when a peer resets the connection while a
  // zero-copy send is under way; copied sends fail as they should. Segments of 64 KiB, the size it
  // receives in, make up for it in system calls.
  TW_TRY(configuration->Set("ZCOPY_THRESH", "inf"));
  TW_TRY(configuration->SetTcpUnlessUserDid("TX_SEG_SIZE", "64k"));
  TW_TRY(configuration->SetBuffer("SNDBUF", SO_SNDBUF, "net.core.wmem_max"));
  TW_TRY(configuration->SetBuffer("RCVBUF", SO_RCVBUF, "net.core.rmem_max"));
  if (!interface.empty()) {
    TW_ASSIGN(const auto names, InterfaceNames(interface));
    TW_TRY(configuration->Set("NET_DEVICES", fmt::format("{}", fmt::join(names, ","))));
  }
  ucp_params_t params = {};
  params.field_mask = UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_MT_WORKERS_SHARED;
  params.features = UCP_FEATURE_AM | UCP_FEATURE_WAKEUP;
  params.mt_workers_shared = 0;
  ucp_context_h context = nullptr;
  const ucs_status_t status = ucp_init(&params, configuration->get(), &context);
  if (status == UCS_ERR_NO_DEVICE) {
    return SystemError("UCX finds no network it can use{}: is the interface up, with an address?",
                       interface.empty() ? "" : " on " + interface);
  }
  if (status != UCS_OK) return UcxError(status, "ucp_init");
  return context;
}

}  // namespace thinwire
