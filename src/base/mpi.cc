// SPDX-License-Identifier: Apache-2.0
#include "base/mpi.h"

#include <array>
#include <mutex>

#include "base/module.h"

namespace thinwire {

Result<Mpi> Mpi::Load(const std::string& folder) {
  static std::mutex mutex;
  static const MpiCalls* loaded = nullptr;
  const std::lock_guard lock(mutex);
  if (loaded == nullptr) {
    const Result<void*> symbol = LoadFromModule(kMpiModuleFile, kMpiCallsName, folder);
    if (!symbol.ok()) {
      return SystemError("{}; build Thinwire where MPI is installed (Debian: libopenmpi-dev)",
                         symbol.status().message());
    }
    loaded = reinterpret_cast<GetMpiCalls*>(symbol.value())();
  }
  Mpi mpi;
  mpi.calls = loaded;
  TW_TRY(mpi.Check(mpi.calls->start(&mpi.world)));
  return mpi;
}

Status Mpi::Check(int error) const {
  if (error == 0) return {};
  std::array<char, 512> text{};
  calls->describe(error, text.data(), static_cast<int>(text.size()));
  return SystemError("MPI: {}", text.data());
}

}  // namespace thinwire
