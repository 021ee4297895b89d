// SPDX-License-Identifier: Apache-2.0
//
// Quantities as people write them: "64M", "1.5GiB", "500mbit", "20ms", "0.1%". A bare 0 needs no
// unit.

#ifndef THINWIRE_BASE_UNITS_H_
#define THINWIRE_BASE_UNITS_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "base/status.h"

namespace thinwire {

// Bytes: a number with nothing, K, M or G (or KiB, MiB, GiB, KB, MB, GB): powers of 1024, as
// nccl-tests counts.
Result<size_t> ParseBytes(std::string_view text);
// Seconds: a number with ns, us, ms, s or min.
Result<double> ParseSeconds(std::string_view text);
// Bytes per second: a number with bit, kbit, mbit or gbit (decimal, bits per second).
Result<double> ParseRate(std::string_view text);

// A probability below 1, as a percentage such as "0.1%" (a bare 0.1 could mean either).
Result<double> ParseLoss(std::string_view text);

// "64 MiB", "1 KiB", "100 B".
std::string FormatBytes(size_t bytes);
// "1.234 ms", "20 s".
std::string FormatSeconds(double seconds);
// "500 Mbit/s".
std::string FormatRate(double bytes_per_second);

}  // namespace thinwire

#endif  // THINWIRE_BASE_UNITS_H_
