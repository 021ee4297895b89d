// SPDX-License-Identifier: Apache-2.0
#ifndef THINWIRE_CUDA_DEVICE_NCCL_SITE_H_
#define THINWIRE_CUDA_DEVICE_NCCL_SITE_H_

#include <memory>
#include <string>

#include "base/status.h"
#include "device/site.h"

namespace thinwire::cuda {

// A site on NVIDIA's NCCL, which is loaded at the first use: `path`, or libnccl.so.2 where that is
// empty. Errors name the library.
Result<SiteId> NewNcclSiteId(const std::string& path);
Result<std::unique_ptr<Site>> JoinNcclSite(const std::string& path, const SiteId& id, int rank,
                                           int ranks);

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_DEVICE_NCCL_SITE_H_
