// SPDX-License-Identifier: Apache-2.0
#include "base/module.h"

#include <dlfcn.h>

#include <filesystem>
#include <string>
#include <vector>

namespace thinwire {
namespace {

// The folder of the library or program this code is part of, with a slash; empty if unknown.
std::string OwnFolder() {
  static const char marker = 0;
  Dl_info info;
  if (dladdr(&marker, &info) == 0 || info.dli_fname == nullptr) return "";
  std::string path = info.dli_fname;
  if (!path.starts_with('/')) {  // the program, under the name it was started by
    std::error_code error;
    path = std::filesystem::read_symlink("/proc/self/exe", error).string();
  }
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

}  // namespace

Result<void*> LoadFromModule(const char* file, const char* symbol, const std::string& folder) {
  std::string reason;
  std::vector<std::string> folders = {""};  // the loader's own search
  if (const std::string own = OwnFolder(); !own.empty()) {
    folders = {own, own + "../lib/", ""};  // the second for bin/ of a program that contains us
  }
  if (!folder.empty()) folders.insert(folders.begin(), folder + "/");
  for (const std::string& place : folders) {
    // Global, since modules load components of their own that look for their symbols.
    void* module = dlopen((place + file).c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
    if (module == nullptr) {
      if (reason.empty()) reason = dlerror();
      continue;
    }
    if (void* address = dlsym(module, symbol)) return address;
    reason = dlerror();
  }
  return SystemError("{} cannot be loaded ({})", file, reason);
}

}  // namespace thinwire
