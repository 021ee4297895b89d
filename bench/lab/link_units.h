// SPDX-License-Identifier: Apache-2.0
// Rates, durations, loss and sizes as people write them: 500mbit, 20ms, 0.1%, 256k.
// Depends on the standard library alone, like link_file.h, so that anything that reads link files
// can use it. Parsers take the whole text and return nothing when it isn't exactly one quantity.
#ifndef THINWIRE_BENCH_LAB_LINK_UNITS_H_
#define THINWIRE_BENCH_LAB_LINK_UNITS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace thinwire::lab {

// Bits per second, at least 1. Units bit, kbit, mbit, gbit (powers of 1000), any case, required.
std::optional<uint64_t> ParseRate(std::string_view text);

// Nanoseconds, at least 0. Units ns, us, ms, s, required except for a bare 0.
std::optional<int64_t> ParseDuration(std::string_view text);

// Probability in [0, 1). A percentage such as 0.1%, or a bare 0: a bare 0.1 could mean either.
std::optional<double> ParseLoss(std::string_view text);

// Bytes. No unit, or k, m, g (powers of 1024), with or without a trailing b.
std::optional<uint64_t> ParseBytes(std::string_view text);

// The largest unit that gives a whole number: 500mbit, 62500kbit, 20ms, 1500us.
std::string FormatRate(uint64_t bits_per_second);
std::string FormatDuration(int64_t nanoseconds);

}  // namespace thinwire::lab

#endif  // THINWIRE_BENCH_LAB_LINK_UNITS_H_
