// SPDX-License-Identifier: Apache-2.0
#include "build_report.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/module.h"
#include "base/mpi_module.h"
#include "codec/codec.h"
#include "device/device.h"
#define THINWIRE_NCCL_NO_CUDA_HEADERS  // its version alone is of interest
#include "nccl_compat/nccl.h"
#include "thinwire/version.h"
#include "transport/sealed_transport.h"
#include "transport/transport.h"

namespace thinwire::info {
namespace {

template <typename Function>
bool Find(void* library, const char* name, Function** function) {
  *function = library == nullptr ? nullptr : reinterpret_cast<Function*>(dlsym(library, name));
  return *function != nullptr;
}

std::string Mpi(const Env& env) {
  // Without starting it, which would take this process for a job of its own.
  const Result<void*> module = LoadFromModule(kMpiModuleFile, kMpiCallsName, env.modules);
  return module.ok() ? "found (THINWIRE_TRANSPORT=mpi)" : "none: " + module.status().message();
}

std::string Sealing() {
  Result<std::unique_ptr<Transport>> inner = MakeTransport("loopback", {});
  if (!inner.ok()) return "unknown: " + inner.status().message();
  const auto sealed = MakeSealedTransport(std::move(inner).value(), {.encrypt = true});
  return sealed.ok() ? "libsodium (THINWIRE_ENCRYPT=1)" : "none: " + sealed.status().message();
}

// "0: NAME; 1: NAME", by the driver alone, so that no device is occupied.
std::string CudaDevices() {
  void* const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  int (*init)(unsigned) = nullptr;
  int (*count)(int*) = nullptr;
  int (*name)(char*, int, int) = nullptr;
  int devices = 0;
  const bool works = Find(driver, "cuInit", &init) && Find(driver, "cuDeviceGetCount", &count) &&
                     Find(driver, "cuDeviceGetName", &name) && init(0) == 0 && count(&devices) == 0;
  if (!works) return "none by the driver";
  std::vector<std::string> names;
  for (int device = 0; device < devices; ++device) {
    std::array<char, 128> text = {};
    if (name(text.data(), static_cast<int>(text.size()), device) != 0) continue;
    names.push_back(fmt::format("{}: {}", device, text.data()));
  }
  return fmt::format("{}", fmt::join(names, "; "));
}

std::string Cuda(const Env& env) {
  const auto device = MakeCudaDevice(
      {.device = env.cuda_device, .wait = env.cuda_wait, .modules = env.modules, .nccl = env.nccl});
  return device.ok() ? "devices " + CudaDevices() : "none: " + device.status().message();
}

std::string NvidiasNccl(const Env& env) {
  const char* const path = env.nccl.empty() ? "libnccl.so.2" : env.nccl.c_str();
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return fmt::format("none: {}", dlerror());
  if (dlsym(library, "thinwireGetVersion") != nullptr) {
    return "none: libnccl.so.2 is Thinwire's own; THINWIRE_NCCL names NVIDIA's, for sites";
  }
  int (*get)(int*) = nullptr;
  int version = 0;
  if (!Find(library, "ncclGetVersion", &get) || get(&version) != 0) {
    return fmt::format("none: {} is no NCCL", path);
  }
  return fmt::format("{}.{}.{}, by {} (for THINWIRE_SITES)", version / 10000, version / 100 % 100,
                     version % 100, path);
}

}  // namespace

std::vector<Fact> FactsOfBuild(const Env& env) {
  const std::vector<std::string_view> transports = TransportNames();
  const bool ucx = std::ranges::find(transports, "ucx") != transports.end();
  return {{"version", fmt::format("{}.{}.{}", THINWIRE_VERSION_MAJOR, THINWIRE_VERSION_MINOR,
                                  THINWIRE_VERSION_PATCH)},
          {"stands for", fmt::format("NCCL {}.{}.{}", NCCL_MAJOR, NCCL_MINOR, NCCL_PATCH)},
          {"transports",
           fmt::format("{}; auto is {}", fmt::join(transports, ", "), DefaultTransport())},
          {"ucx", ucx ? "in this build" : "none: this build was made without it"},
          {"mpi", Mpi(env)},
          {"sealing", Sealing()},
          {"cuda", Cuda(env)},
          {"nccl", NvidiasNccl(env)},
          {"codecs", fmt::format("{}", fmt::join(CodecNames(), ", "))}};
}

}  // namespace thinwire::info
