/* SPDX-License-Identifier: Apache-2.0
 *
 * Version of the library's API. CMake checks it against the file VERSION.
 */
#ifndef THINWIRE_VERSION_H_
#define THINWIRE_VERSION_H_

#define THINWIRE_VERSION_MAJOR 0
#define THINWIRE_VERSION_MINOR 1
#define THINWIRE_VERSION_PATCH 0
/* 100 for 0.1.0: 10000 * major + 100 * minor + patch. */
#define THINWIRE_VERSION_CODE \
  (THINWIRE_VERSION_MAJOR * 10000 + THINWIRE_VERSION_MINOR * 100 + THINWIRE_VERSION_PATCH)

#endif
