// SPDX-License-Identifier: Apache-2.0
//
// What an MPI datatype is to Thinwire: floats of one kind, or nothing.

#ifndef THINWIRE_MPI_PRELOAD_FLOAT_LAYOUT_H_
#define THINWIRE_MPI_PRELOAD_FLOAT_LAYOUT_H_

#include <cstddef>
#include <memory>
#include <optional>

#include "mpi_preload/below.h"
#include "thinwire/thinwire.h"

namespace thinwire {

struct FloatLayout {
  thinwireDataType_t kind = thinwireMaxDataType;  // float or double
  size_t kind_bytes = 0;
  size_t bytes = 0;         // of floats in one item of the datatype
  bool contiguous = false;  // items lie in memory as they would be sent
  bool predefined = false;  // by MPI; sums are for these only
};

// Nothing: it holds no floats, or others beside them. What is there besides `contiguous` and
// `predefined` depends on the type's signature alone, so ranks whose types may meet in one call
// find the same. A complex number is two floats.
std::optional<FloatLayout> FloatLayoutOf(MPI_Datatype type);

// A program's buffer: `count` items of `type`. Holds on to the datatype, which the program may free
// while a call is under way.
class Items {
 public:
  // REQUIRES: FloatLayoutOf(type) has a value.
  Items(void* buffer, int count, MPI_Datatype type, const FloatLayout& layout);
  Items(const Items&) = delete;
  Items& operator=(const Items&) = delete;
  ~Items();

  // Copies the floats of the `part`-th run of `count` items. REQUIRES: they are at most INT_MAX
  // bytes, where the layout is not contiguous. An error of MPI.
  int Pack(int part, std::byte* to, MPI_Comm comm) const;
  int Unpack(const std::byte* from, int part, MPI_Comm comm) const;

 private:
  std::byte* At(int part) const;

  std::byte* const buffer_;
  const int count_;
  const FloatLayout layout_;
  MPI_Datatype type_;
  MPI_Aint extent_ = 0;
};

}  // namespace thinwire

#endif  // THINWIRE_MPI_PRELOAD_FLOAT_LAYOUT_H_
