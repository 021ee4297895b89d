// SPDX-License-Identifier: Apache-2.0
#include "base/env.h"

#include <algorithm>
#include <charconv>

#include "base/units.h"
#include "base/variables.h"

namespace thinwire {
namespace {

// Where the variables that are read are listed as well; null: nowhere.
thread_local std::vector<Env::Variable>* listing = nullptr;

std::string Shown(const std::string& text) { return text; }
std::string Shown(double seconds) { return FormatSeconds(seconds); }
std::string Shown(size_t bytes) { return FormatBytes(bytes); }
std::string Shown(int number) { return fmt::format("{}", number); }
std::string Shown(bool on) { return on ? "1" : "0"; }
std::string Shown(IpFamily family) {
  constexpr const char* kNames[] = {"", "AF_INET", "AF_INET6"};
  return kNames[static_cast<size_t>(family)];
}
std::string Shown(PortRange ports) {
  return ports.last == 0 ? "" : fmt::format("{}-{}", ports.first, ports.last);
}

template <typename T>
void List(const char* name, const char* text, const T& fallback) {
  if (listing == nullptr) return;
  listing->push_back({name, text != nullptr ? text : Shown(fallback), text != nullptr});
}

void ReadText(const char* name, std::string* target) {
  List(name, Variable(name), *target);
  if (const char* text = Variable(name)) *target = text;
}

template <typename T>
Status ReadParsed(const char* name, Result<T> (*parse)(std::string_view), T* target) {
  List(name, Variable(name), *target);
  if (const char* text = Variable(name)) {
    Result<T> value = parse(text);
    if (!value.ok()) return value.status().WithContext(name);
    *target = std::move(value).value();
  }
  return {};
}

Result<int> ParsePort(std::string_view text) {
  int port = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || port > 65535) port = 65536;
    port = port * 10 + (c - '0');
  }
  if (port > 65535) return InvalidArgument("'{}' is not a port: write a number to 65535", text);
  return port;
}

Result<int> ParseCount(std::string_view text, int least, int most, std::string_view things) {
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (whole && count >= least && count <= most) return count;
  return InvalidArgument("'{}' is not a number of {}: write {} to {}", text, things, least, most);
}
Result<int> ParseThreads(std::string_view text) { return ParseCount(text, 1, 1024, "threads"); }
constexpr int kMaxFlows = 128;
Result<int> ParseFlows(std::string_view text) { return ParseCount(text, 0, kMaxFlows, "flows"); }

Result<size_t> ParseCalls(std::string_view text) {
  TW_ASSIGN(const int calls, ParseCount(text, 0, 1'000'000, "calls"));
  return static_cast<size_t>(calls);
}

Result<PortRange> ParsePortRange(std::string_view text) {
  const size_t dash = text.find('-');
  const Result<int> first = ParsePort(text.substr(0, dash));
  const Result<int> last = dash == text.npos ? first : ParsePort(text.substr(dash + 1));
  if (first.ok() && last.ok() && 0 < first.value() && first.value() <= last.value()) {
    return PortRange{static_cast<uint16_t>(first.value()), static_cast<uint16_t>(last.value())};
  }
  return InvalidArgument("'{}' is not a range of ports: write two of them, as 40000-40100", text);
}

Result<size_t> ParsePiece(std::string_view text) {
  TW_ASSIGN(const size_t bytes, ParseBytes(text));
  if (bytes >= size_t{1} << 10 && bytes <= size_t{64} << 10) return bytes;
  return InvalidArgument("'{}' is out of range: write 1K to 64K", text);
}

Result<IpFamily> ParseFamily(std::string_view text) {
  if (text == "AF_INET") return IpFamily::kIpv4;
  if (text == "AF_INET6") return IpFamily::kIpv6;
  return InvalidArgument("'{}' is no family of addresses: write AF_INET or AF_INET6", text);
}

// NCCL's way to say how many connections: threads times sockets of each.
Status ReadFlowsOfNccl(int* flows) {
  int threads = 0;
  int sockets = 0;
  TW_TRY(ReadParsed("NCCL_SOCKET_NTHREADS", ParseFlows, &threads));
  TW_TRY(ReadParsed("NCCL_NSOCKS_PERTHREAD", ParseFlows, &sockets));
  if (threads > 0 || sockets > 0) {
    *flows = std::min(std::max(threads, 1) * std::max(sockets, 1), kMaxFlows);
  }
  return {};
}

// NCCL's way to name interfaces in ours: "eth,ib", "=eth0", "^docker".
std::string InterfacesOfPrefixes(std::string_view text) {
  std::string interfaces;
  if (text.starts_with('^')) {
    interfaces = "^";
    text.remove_prefix(1);
  }
  const bool exact = text.starts_with('=');
  if (exact) text.remove_prefix(1);
  for (const char c : text) {
    if (c == ',' && !exact) interfaces += '*';
    interfaces += c;
  }
  if (!text.empty() && !exact) interfaces += '*';
  return interfaces;
}

Result<bool> ParseSwitch(std::string_view text) {
  if (text == "0" || text == "1") return text == "1";
  return InvalidArgument("'{}' is not a switch: write 0 or 1", text);
}

}  // namespace

Result<Env> Env::Read() {
  Env env;
  ReadText("THINWIRE_POLICY", &env.policy);
  ReadText("NCCL_ALGO", &env.nccl_algorithms);
  ReadText("THINWIRE_TRANSPORT", &env.transport);
  ReadText("THINWIRE_LINK", &env.link);
  ReadText("THINWIRE_SHAPE", &env.shape);
  std::string prefixes;
  ReadText("NCCL_SOCKET_IFNAME", &prefixes);
  env.interface = InterfacesOfPrefixes(prefixes);
  ReadText("THINWIRE_INTERFACE", &env.interface);
  TW_TRY(ReadParsed("NCCL_SOCKET_FAMILY", ParseFamily, &env.family));
  ReadText("NCCL_COMM_ID", &env.root);
  ReadText("THINWIRE_DEVICE", &env.device);
  ReadText("NCCL_COMM_BLOCKING", &env.blocking);
  ReadText("THINWIRE_CUDA_WAIT", &env.cuda_wait);
  ReadText("THINWIRE_SITES", &env.sites);
  ReadText("THINWIRE_NCCL", &env.nccl);
  ReadText("THINWIRE_FALLBACK", &env.fallback);
  ReadText("THINWIRE_MODULES", &env.modules);
  ReadText("THINWIRE_FLIGHT_FILE", &env.flight_file);
  TW_TRY(ReadParsed("THINWIRE_FLIGHT_CALLS", ParseCalls, &env.flight_calls));
  ReadText("THINWIRE_SURVIVAL", &env.survival);
  ReadText("THINWIRE_TRACE_FILE", &env.trace_file);
  ReadText("THINWIRE_METRICS_FILE", &env.metrics_file);
  TW_TRY(ReadParsed("THINWIRE_METRICS_PERIOD", ParseSeconds, &env.metrics_seconds));
  ReadText("THINWIRE_REPORT_FILE", &env.report_file);
  ReadText("THINWIRE_SECRET", &env.secret);
  ReadText("THINWIRE_HOST", &env.host);
  ReadText("THINWIRE_CONGESTION", &env.congestion);
  TW_TRY(ReadParsed("THINWIRE_TIMEOUT", ParseSeconds, &env.timeout_seconds));
  TW_TRY(ReadParsed("THINWIRE_CONNECT_TIMEOUT", ParseSeconds, &env.connect_timeout_seconds));
  TW_TRY(ReadParsed("THINWIRE_SILENCE", ParseSeconds, &env.silence_seconds));
  TW_TRY(ReadParsed("THINWIRE_EARLY", ParseBytes, &env.early_bytes));
  TW_TRY(ReadParsed("THINWIRE_SEGMENT", ParseBytes, &env.segment_bytes));
  TW_TRY(ReadParsed("THINWIRE_MEASURE_ERROR", ParseSwitch, &env.measure_error));
  TW_TRY(ReadParsed("THINWIRE_ENCRYPT", ParseSwitch, &env.encrypt));
  TW_TRY(ReadParsed("THINWIRE_MPI_PIECE", ParsePiece, &env.mpi_piece_bytes));
  TW_TRY(ReadParsed("THINWIRE_MPI_FLOOR", ParseBytes, &env.mpi_floor_bytes));
  TW_TRY(ReadParsed("THINWIRE_PORT", ParsePort, &env.port));
  TW_TRY(ReadParsed("THINWIRE_PORT_RANGE", ParsePortRange, &env.port_range));
  TW_TRY(ReadFlowsOfNccl(&env.flows));
  TW_TRY(ReadParsed("THINWIRE_FLOWS", ParseFlows, &env.flows));
  TW_TRY(ReadParsed("THINWIRE_STATE_BYTES", ParseBytes, &env.state_bytes));
  ReadText("THINWIRE_STATE_FOLDER", &env.state_folder);
  TW_TRY(ReadParsed("THINWIRE_THREADS", ParseThreads, &env.threads));
  return env;
}

Result<std::vector<Env::Variable>> Env::InEffect() {
  std::vector<Variable> variables;
  listing = &variables;
  const Status read = Read().status();
  listing = nullptr;
  if (!read.ok()) return read;
  for (Variable& variable : variables) {
    if (variable.name == "THINWIRE_SECRET" && variable.set) variable.value = "(not shown)";
  }
  return variables;
}

}  // namespace thinwire
