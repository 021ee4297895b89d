// SPDX-License-Identifier: Apache-2.0
#include "mpi_preload/float_layout.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace thinwire {
namespace {

// Floats in one scalar of a predefined type: 0: it is none.
int FloatsOf(MPI_Datatype type) {
  const auto is = [type](std::initializer_list<MPI_Datatype> types) {
    return std::find(types.begin(), types.end(), type) != types.end();
  };
  if (is({MPI_FLOAT, MPI_DOUBLE, MPI_REAL, MPI_DOUBLE_PRECISION, MPI_REAL4, MPI_REAL8})) return 1;
  if (is({MPI_C_FLOAT_COMPLEX, MPI_C_DOUBLE_COMPLEX, MPI_CXX_FLOAT_COMPLEX, MPI_CXX_DOUBLE_COMPLEX,
          MPI_COMPLEX, MPI_DOUBLE_COMPLEX, MPI_COMPLEX8, MPI_COMPLEX16})) {
    return 2;
  }
  return 0;
}

std::optional<FloatLayout> Predefined(size_t bytes, int floats) {
  if (floats == 0) return {};
  const size_t each = bytes / static_cast<size_t>(floats);  // a Fortran REAL may be either
  if (each == sizeof(float)) return FloatLayout{thinwireFloat32, each, bytes, true, true};
  if (each == sizeof(double)) return FloatLayout{thinwireFloat64, each, bytes, true, true};
  return {};
}

int CombinerOf(MPI_Datatype type, int* integers, int* addresses, int* types) {
  int combiner = MPI_COMBINER_NAMED;
  const int result = PMPI_Type_get_envelope(type, integers, addresses, types, &combiner);
  return result == MPI_SUCCESS ? combiner : MPI_COMBINER_NAMED;
}

bool IsPredefined(int combiner) {
  return combiner == MPI_COMBINER_NAMED || combiner == MPI_COMBINER_F90_REAL ||
         combiner == MPI_COMBINER_F90_COMPLEX || combiner == MPI_COMBINER_F90_INTEGER;
}

// Calls `look` with the types it is made of that it holds something of, until that says no.
template <typename Look>
bool ForEachPart(MPI_Datatype type, int combiner, Look look) {
  int integers = 0;
  int addresses = 0;
  int types = 0;
  CombinerOf(type, &integers, &addresses, &types);
  std::vector<int> numbers(static_cast<size_t>(integers));
  std::vector<MPI_Aint> places(static_cast<size_t>(addresses));
  std::vector<MPI_Datatype> parts(static_cast<size_t>(types));
  if (PMPI_Type_get_contents(type, integers, addresses, types, numbers.data(), places.data(),
                             parts.data()) != MPI_SUCCESS) {
    return false;
  }
  bool all = true;
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool empty = combiner == MPI_COMBINER_STRUCT && numbers[i + 1] == 0;
    all = all && (empty || look(parts[i]));
    int none = 0;
    if (!IsPredefined(CombinerOf(parts[i], &none, &none, &none))) PMPI_Type_free(&parts[i]);
  }
  return all;
}

}  // namespace

std::optional<FloatLayout> FloatLayoutOf(MPI_Datatype type) {
  if (type == MPI_DATATYPE_NULL) return {};
  MPI_Count size = 0;
  if (PMPI_Type_size_x(type, &size) != MPI_SUCCESS || size <= 0) return {};
  const auto bytes = static_cast<size_t>(size);
  if (const int floats = FloatsOf(type); floats != 0) return Predefined(bytes, floats);

  int none = 0;
  const int combiner = CombinerOf(type, &none, &none, &none);
  if (combiner == MPI_COMBINER_F90_REAL) return Predefined(bytes, 1);
  if (combiner == MPI_COMBINER_F90_COMPLEX) return Predefined(bytes, 2);
  if (IsPredefined(combiner)) return {};

  FloatLayout layout;
  const bool alike = ForEachPart(type, combiner, [&layout](MPI_Datatype part) {
    MPI_Count part_size = 0;
    PMPI_Type_size_x(part, &part_size);
    if (part_size == 0) return true;  // adds nothing to the signature
    const std::optional<FloatLayout> inside = FloatLayoutOf(part);
    if (!inside || (layout.bytes != 0 && inside->kind != layout.kind)) return false;
    layout = *inside;
    return true;
  });
  if (!alike || layout.bytes == 0) return {};
  // Others may be contiguous too; to find out would take their addresses, in order.
  layout.contiguous =
      layout.contiguous && (combiner == MPI_COMBINER_CONTIGUOUS || combiner == MPI_COMBINER_DUP);
  layout.predefined = false;
  layout.bytes = bytes;
  return layout;
}

Items::Items(void* buffer, int count, MPI_Datatype type, const FloatLayout& layout)
    : buffer_(static_cast<std::byte*>(buffer)), count_(count), layout_(layout), type_(type) {
  MPI_Aint lower_bound = 0;
  PMPI_Type_get_extent(type, &lower_bound, &extent_);
  if (layout.contiguous) return;
  // Not MPI_Type_dup, which calls the program's callbacks for attributes.
  PMPI_Type_contiguous(1, type, &type_);
  PMPI_Type_commit(&type_);
}

Items::~Items() {
  if (!layout_.contiguous) PMPI_Type_free(&type_);
}

std::byte* Items::At(int part) const {
  return buffer_ + static_cast<ptrdiff_t>(part) * count_ * extent_;
}

int Items::Pack(int part, std::byte* to, MPI_Comm comm) const {
  const size_t bytes = static_cast<size_t>(count_) * layout_.bytes;
  if (layout_.contiguous) {
    std::memcpy(to, At(part), bytes);
    return MPI_SUCCESS;
  }
  int packed = 0;
  const int result = PMPI_Pack(At(part), count_, type_, to, static_cast<int>(bytes), &packed, comm);
  if (result != MPI_SUCCESS) return result;
  return packed == static_cast<int>(bytes) ? MPI_SUCCESS : MPI_ERR_INTERN;  // MPI adds its own?
}

int Items::Unpack(const std::byte* from, int part, MPI_Comm comm) const {
  const size_t bytes = static_cast<size_t>(count_) * layout_.bytes;
  if (layout_.contiguous) {
    std::memcpy(At(part), from, bytes);
    return MPI_SUCCESS;
  }
  int taken = 0;
  return PMPI_Unpack(from, static_cast<int>(bytes), &taken, At(part), count_, type_, comm);
}

}  // namespace thinwire
