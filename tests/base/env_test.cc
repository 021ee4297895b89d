// SPDX-License-Identifier: Apache-2.0
#include "base/env.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace thinwire {
namespace {

// Sets a variable for the life of one test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Variable() { unsetenv(name_); }

 private:
  const char* name_;
};

TEST(EnvTest, InterfacesOfNcclAreBegunOrExactAndComeSecond) {
  const auto interfaces = [] { return Env::Read().value().interface; };
  {
    const Variable nccl("NCCL_SOCKET_IFNAME", "eth,ib0");
    EXPECT_EQ(interfaces(), "eth*,ib0*");
    const Variable own("THINWIRE_INTERFACE", "wan0");
    EXPECT_EQ(interfaces(), "wan0");
  }
  const Variable exact("NCCL_SOCKET_IFNAME", "=eth0,eth1");
  EXPECT_EQ(interfaces(), "eth0,eth1");
  const Variable others("NCCL_SOCKET_IFNAME", "^docker,lo");
  EXPECT_EQ(interfaces(), "^docker*,lo*");
}

TEST(EnvTest, VariablesSetTheirFields) {
  const Variable policy("THINWIRE_POLICY", "q8");
  const Variable timeout("THINWIRE_TIMEOUT", "30s");
  const Variable segment("THINWIRE_SEGMENT", "64K");
  const Variable measure("THINWIRE_MEASURE_ERROR", "1");
  const Variable encrypt("THINWIRE_ENCRYPT", "1");
  const Variable port("THINWIRE_PORT", "4711");
  const Variable state("THINWIRE_STATE_BYTES", "8G");
  const Variable folder("THINWIRE_STATE_FOLDER", "/scratch");
  const Variable threads("THINWIRE_THREADS", "4");
  const Variable early("THINWIRE_EARLY", "64M");
  const Variable piece("THINWIRE_MPI_PIECE", "32K");
  const Variable floor("THINWIRE_MPI_FLOOR", "1M");
  const Variable ports("THINWIRE_PORT_RANGE", "40000-40100");
  const Variable congestion("THINWIRE_CONGESTION", "cubic");
  const Variable flows("THINWIRE_FLOWS", "128");
  const Result<Env> env = Env::Read();
  ASSERT_TRUE(env.ok()) << env.status().message();
  EXPECT_EQ(env.value().mpi_piece_bytes, size_t{32} << 10);
  EXPECT_EQ(env.value().mpi_floor_bytes, size_t{1} << 20);
  EXPECT_EQ(env.value().policy, "q8");
  EXPECT_EQ(env.value().timeout_seconds, 30);
  EXPECT_EQ(env.value().segment_bytes, size_t{64} << 10);
  EXPECT_TRUE(env.value().measure_error);
  EXPECT_TRUE(env.value().encrypt);
  EXPECT_EQ(env.value().port, 4711);
  EXPECT_EQ(env.value().state_bytes, size_t{8} << 30);
  EXPECT_EQ(env.value().state_folder, "/scratch");
  EXPECT_EQ(env.value().threads, 4);
  EXPECT_EQ(env.value().early_bytes, size_t{64} << 20);
  EXPECT_EQ(env.value().port_range.first, 40000);
  EXPECT_EQ(env.value().port_range.last, 40100);
  EXPECT_EQ(env.value().congestion, "cubic");
  EXPECT_EQ(env.value().flows, 128);
}

TEST(EnvTest, FilesToWatchCallsByAreNamed) {
  const Variable trace("THINWIRE_TRACE_FILE", "/tmp/trace_%r");
  const Variable metrics("THINWIRE_METRICS_FILE", "/tmp/thinwire.prom");
  const Variable period("THINWIRE_METRICS_PERIOD", "500ms");
  const Variable report("THINWIRE_REPORT_FILE", "/tmp/report");
  const Env env = Env::Read().value();
  EXPECT_EQ(env.trace_file, "/tmp/trace_%r");
  EXPECT_EQ(env.metrics_file, "/tmp/thinwire.prom");
  EXPECT_EQ(env.metrics_seconds, 0.5);
  EXPECT_EQ(env.report_file, "/tmp/report");
}

TEST(EnvTest, SocketsOfNcclAreFlowsAndComeSecond) {
  const auto flows = [] { return Env::Read().value().flows; };
  EXPECT_EQ(flows(), 0);
  const Variable threads("NCCL_SOCKET_NTHREADS", "4");
  EXPECT_EQ(flows(), 4);
  {
    const Variable sockets("NCCL_NSOCKS_PERTHREAD", "2");
    EXPECT_EQ(flows(), 8);
  }
  const Variable many("NCCL_NSOCKS_PERTHREAD", "64");
  EXPECT_EQ(flows(), 128) << "as many as there may be";
  const Variable own("THINWIRE_FLOWS", "3");
  EXPECT_EQ(flows(), 3);
}

TEST(EnvTest, FamiliesOfAddressesAreNcclsNames) {
  EXPECT_EQ(Env::Read().value().family, IpFamily::kAny);
  const Variable six("NCCL_SOCKET_FAMILY", "AF_INET6");
  EXPECT_EQ(Env::Read().value().family, IpFamily::kIpv6);
  const Variable four("NCCL_SOCKET_FAMILY", "AF_INET");
  EXPECT_EQ(Env::Read().value().family, IpFamily::kIpv4);
}

TEST(EnvTest, ListsWhatIsInEffectButNoSecret) {
  const Variable policy("THINWIRE_POLICY", "q8");
  const Variable secret("THINWIRE_SECRET", "hunter2");
  bool policy_listed = false;
  const Result<std::vector<Env::Variable>> variables = Env::InEffect();
  ASSERT_TRUE(variables.ok());
  for (const Env::Variable& variable : variables.value()) {
    EXPECT_EQ(variable.value.find("hunter2"), std::string::npos);
    EXPECT_EQ(variable.set,
              variable.name == "THINWIRE_POLICY" || variable.name == "THINWIRE_SECRET")
        << variable.name;
    if (variable.name == "THINWIRE_TIMEOUT") {
      EXPECT_EQ(variable.value, "600 s");
    }
    if (variable.name == "THINWIRE_POLICY") policy_listed = variable.value == "q8";
  }
  EXPECT_TRUE(policy_listed);
}

TEST(EnvTest, AnEmptyVariableIsAsGoodAsNone) {
  const Variable timeout("THINWIRE_TIMEOUT", "");
  EXPECT_EQ(Env::Read().value().timeout_seconds, Env().timeout_seconds);
}

TEST(EnvTest, WhatMakesNoSenseIsNamed) {
  for (const auto& [name, value] : {std::pair{"THINWIRE_TIMEOUT", "soon"},
                                    {"THINWIRE_SEGMENT", "big"},
                                    {"THINWIRE_MEASURE_ERROR", "yes"},
                                    {"THINWIRE_ENCRYPT", "true"},
                                    {"THINWIRE_PORT", "70000"},
                                    {"THINWIRE_STATE_BYTES", "much"},
                                    {"THINWIRE_EARLY", "some"},
                                    {"THINWIRE_MPI_PIECE", "65K"},
                                    {"THINWIRE_MPI_PIECE", "100"},
                                    {"THINWIRE_PORT_RANGE", "40100-40000"},
                                    {"THINWIRE_PORT_RANGE", "0-70000"},
                                    {"THINWIRE_PORT_RANGE", "40000-"},
                                    {"THINWIRE_FLOWS", "129"},
                                    {"THINWIRE_METRICS_PERIOD", "often"},
                                    {"NCCL_SOCKET_FAMILY", "IPv6"},
                                    {"NCCL_NSOCKS_PERTHREAD", "many"},
                                    {"THINWIRE_THREADS", "0"},
                                    {"THINWIRE_THREADS", "2 or so"}}) {
    const Variable variable(name, value);
    const Result<Env> env = Env::Read();
    ASSERT_FALSE(env.ok()) << name;
    EXPECT_EQ(env.status().code(), Code::kInvalidArgument);
    EXPECT_NE(env.status().message().find(name), std::string::npos);
    EXPECT_NE(env.status().message().find(value), std::string::npos);
  }
}

}  // namespace
}  // namespace thinwire
