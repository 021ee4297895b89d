# SPDX-License-Identifier: Apache-2.0
# What the build uses from elsewhere, and what happens where it is missing.

find_package(PkgConfig QUIET)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_library(THINWIRE_XXHASH_LIBRARY xxhash REQUIRED)
find_path(THINWIRE_XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
add_library(thinwire_xxhash UNKNOWN IMPORTED)
set_target_properties(thinwire_xxhash PROPERTIES
  IMPORTED_LOCATION "${THINWIRE_XXHASH_LIBRARY}"
  INTERFACE_INCLUDE_DIRECTORIES "${THINWIRE_XXHASH_INCLUDE_DIR}")

# thinwire_optional(NAME found? "what is missing"): resolves AUTO/ON/OFF into THINWIRE_HAVE_NAME.
function(thinwire_optional name found missing)
  set(have OFF)
  if(NOT THINWIRE_${name} STREQUAL "OFF" AND found)
    set(have ON)
  elseif(THINWIRE_${name} STREQUAL "ON")
    message(FATAL_ERROR "THINWIRE_${name}=ON, but ${missing}")
  endif()
  set(THINWIRE_HAVE_${name} ${have} PARENT_SCOPE)
endfunction()

if(PkgConfig_FOUND)
  pkg_check_modules(UCX QUIET IMPORTED_TARGET ucx>=1.12)
  pkg_check_modules(SODIUM QUIET IMPORTED_TARGET libsodium>=1.0.18)
endif()
thinwire_optional(UCX "${UCX_FOUND}" "pkg-config finds no ucx >= 1.12 (Debian: libucx-dev)")
thinwire_optional(SODIUM "${SODIUM_FOUND}"
  "pkg-config finds no libsodium >= 1.0.18 (Debian: libsodium-dev)")

if(NOT THINWIRE_MPI STREQUAL "OFF")
  find_package(MPI QUIET COMPONENTS C)
endif()
thinwire_optional(MPI "${MPI_C_FOUND}" "CMake finds no MPI (Debian: libopenmpi-dev)")

if(NOT THINWIRE_CUDA STREQUAL "OFF")
  find_package(CUDAToolkit QUIET)
endif()
thinwire_optional(CUDA "${CUDAToolkit_FOUND}" "CMake finds no CUDA toolkit")
if(THINWIRE_HAVE_CUDA)
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 100-real 100-virtual)
  endif()
  enable_language(CUDA)
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know it yet
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
  endif()
endif()

if(THINWIRE_BUILD_BENCH OR THINWIRE_BUILD_TESTS)
  find_package(CLI11 REQUIRED)
  find_package(nlohmann_json REQUIRED)
endif()
if(THINWIRE_BUILD_BENCH)
  find_package(benchmark REQUIRED)
endif()
if(THINWIRE_BUILD_TESTS)
  find_package(GTest REQUIRED)
  find_package(Boost REQUIRED COMPONENTS context)  # fibers: kernels without a GPU
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
endif()
