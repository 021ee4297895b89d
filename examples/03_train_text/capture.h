// SPDX-License-Identifier: Apache-2.0
//
// Tensors of some steps as files, to measure codecs on (`distortion --data NAME=FILE`).

#ifndef THINWIRE_EXAMPLES_TRAIN_TEXT_CAPTURE_H_
#define THINWIRE_EXAMPLES_TRAIN_TEXT_CAPTURE_H_

#include <cstddef>
#include <span>
#include <string_view>

#include "options.h"

namespace train_text {

// Writes <options.capture>/<name>-<step>.f32, raw binary32, in step 1, in step 10 and in the last.
// `step` counts from 0. Throws std::runtime_error.
void Capture(const Options& options, size_t step, std::string_view name,
             std::span<const float> values);

}  // namespace train_text

#endif  // THINWIRE_EXAMPLES_TRAIN_TEXT_CAPTURE_H_
