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
