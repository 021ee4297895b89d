// SPDX-License-Identifier: Apache-2.0
#include "base/mpi.h"

#include <array>

#include "base/module.h"

namespace thinwire {

Result<Mpi> Mpi::Load(const std::string& folder) {
  const Result<void*> symbol = LoadFromModule(kMpiModuleFile, kMpiCallsName, folder);
  if (!symbol.ok()) {
    return SystemError("{}; build Thinwire where MPI is installed (Debian: libopenmpi-dev)",
                       symbol.status().message());
  }
  Mpi mpi;
  mpi.calls = reinterpret_cast<GetMpiCalls*>(symbol.value())();
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
