// SPDX-License-Identifier: Apache-2.0
//
// Where variables are read: the environment, and NCCL's configuration files, as its users have
// them: $NCCL_CONF_FILE, or else ~/.nccl.conf, and then /etc/nccl.conf; lines NAME=VALUE, # begins
// a comment. What is found first counts.

#ifndef THINWIRE_BASE_VARIABLES_H_
#define THINWIRE_BASE_VARIABLES_H_

#include <iosfwd>
#include <map>
#include <string>
#include <vector>

namespace thinwire {

// Null: it is not set, or empty. Files are read once. Any thread.
const char* Variable(const char* name);

// The lines of such a file.
std::map<std::string, std::string> ParseVariables(std::istream& lines);

// The names of NCCL's variables that are set, in the environment or a file, and that nothing here
// reads.
std::vector<std::string> IgnoredVariables();

}  // namespace thinwire

#endif  // THINWIRE_BASE_VARIABLES_H_
