# SPDX-License-Identifier: Apache-2.0
# How every target of the project is made: language level, warnings, visibility, output folders.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 99)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# Installed libraries and programs find each other wherever the tree is moved to.
set(CMAKE_INSTALL_RPATH "$ORIGIN;$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")

find_program(THINWIRE_CCACHE ccache)
if(THINWIRE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER "${THINWIRE_CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${THINWIRE_CCACHE}")
endif()

add_library(thinwire_options INTERFACE)
target_compile_options(thinwire_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow
  $<$<COMPILE_LANGUAGE:CXX>:-Wconversion>
  $<$<BOOL:${THINWIRE_WERROR}>:-Werror>)
if(THINWIRE_SANITIZE)
  # GCC 12 warns of its own variant, shared_ptr and copies once they are instrumented.
  target_compile_options(thinwire_options INTERFACE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized> $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds>)
  add_compile_options(-fsanitize=${THINWIRE_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${THINWIRE_SANITIZE})
endif()

# Codec formulas must give the same bits on every instruction set and on CUDA: no contraction into
# fused multiply-add, no relaxed arithmetic. Guarded by tests/golden.
add_library(thinwire_codec_fp INTERFACE)
target_compile_options(thinwire_codec_fp INTERFACE -ffp-contract=off -fno-fast-math)

# Kernels: the same arithmetic as on the host, to the bit.
add_library(thinwire_cuda_options INTERFACE)
target_compile_options(thinwire_cuda_options INTERFACE
  $<$<COMPILE_LANGUAGE:CUDA>:--fmad=false --expt-relaxed-constexpr -Xptxas=-v
    $<$<BOOL:${THINWIRE_WERROR}>:-Werror=all-warnings>>
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -ffp-contract=off
    $<$<BOOL:${THINWIRE_WERROR}>:-Werror>>)

# thinwire_layer(name SOURCES ... DEPENDS layer... [LINKS lib...])
# One static library a layer; DEPENDS repeats the allowed edges (tools/check_layers enforces them).
function(thinwire_layer name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;LINKS" ${ARGN})
  add_library(thinwire_${name} STATIC ${arg_SOURCES})
  target_include_directories(thinwire_${name} PUBLIC "${PROJECT_SOURCE_DIR}/src"
                                                     "${PROJECT_SOURCE_DIR}/include")
  list(TRANSFORM arg_DEPENDS PREPEND thinwire_)
  target_link_libraries(thinwire_${name} PUBLIC ${arg_DEPENDS} PRIVATE thinwire_options ${arg_LINKS})
endfunction()

# thinwire_program(name SOURCES ... LINKS lib...)
function(thinwire_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE thinwire_options ${arg_LINKS})
endfunction()

# thinwire_test(name SOURCES ... LINKS lib... [LABELS label...] [ARGS ...])
# One GoogleTest program, run as one CTest test. Labels: unit, multiproc, slow.
function(thinwire_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS;LABELS;ARGS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  target_link_libraries(${name} PRIVATE thinwire_options ${arg_LINKS} GTest::gmock GTest::gtest_main)
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
  target_compile_definitions(${name} PRIVATE
    THINWIRE_SOURCE_DIR="${PROJECT_SOURCE_DIR}" THINWIRE_BINARY_DIR="${PROJECT_BINARY_DIR}")
  add_test(NAME ${name} COMMAND ${name} ${arg_ARGS})
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 300)
endfunction()

# thinwire_fuzz(name RUNS number SOURCES ... LINKS lib... CORPUS folder...)
# A fuzz target, and a test that draws RUNS mutations of the .bin files in the folders. With Clang
# and a sanitizer list that holds fuzzer-no-link it is a libFuzzer program; otherwise
# tests/support/fuzz_main.cc draws them.
function(thinwire_fuzz name)
  cmake_parse_arguments(arg "" "RUNS" "SOURCES;LINKS;CORPUS" ${ARGN})
  set(command ${name} ${arg_RUNS})
  if(THINWIRE_SANITIZE MATCHES "fuzzer-no-link")
    set(command ${name} -runs=${arg_RUNS} -seed=1 "${CMAKE_CURRENT_BINARY_DIR}")
  else()
    list(APPEND arg_SOURCES "${PROJECT_SOURCE_DIR}/tests/support/fuzz_main.cc")
  endif()
  thinwire_program(${name} SOURCES ${arg_SOURCES} LINKS ${arg_LINKS})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  if(THINWIRE_SANITIZE MATCHES "fuzzer-no-link")
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  endif()
  add_test(NAME ${name}_test COMMAND ${command} ${arg_CORPUS})
  set_tests_properties(${name}_test PROPERTIES LABELS unit TIMEOUT 300)
endfunction()
