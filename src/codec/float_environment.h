// SPDX-License-Identifier: Apache-2.0
//
// FloatEnvironment: while it lives, this thread rounds to nearest and keeps subnormal numbers, as
// the codecs' formulas assume. Frameworks may have set flush-to-zero on the threads they call from.

#ifndef THINWIRE_CODEC_FLOAT_ENVIRONMENT_H_
#define THINWIRE_CODEC_FLOAT_ENVIRONMENT_H_

#include <cstdint>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace thinwire {

class FloatEnvironment {
 public:
  FloatEnvironment() : before_(Get()) {
    if (before_ != Standard(before_)) Set(Standard(before_));
  }
  ~FloatEnvironment() {
    if (before_ != Standard(before_)) Set(before_);
  }
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
  // The control register without rounding mode and flush bits. Exception flags stay as they are.
#if defined(__SSE2__)
  using Word = unsigned;
  static Word Get() { return _mm_getcsr(); }
  static void Set(Word word) { _mm_setcsr(word); }
  static Word Standard(Word word) { return word & ~0xe040u; }
#elif defined(__aarch64__)
  using Word = uint64_t;
  static Word Get() {
    Word word;
    asm volatile("mrs %0, fpcr" : "=r"(word));
    return word;
  }
  static void Set(Word word) { asm volatile("msr fpcr, %0" : : "r"(word)); }
  static Word Standard(Word word) { return word & ~(Word{7} << 22); }
#else
  using Word = int;
  static Word Get() { return 0; }
  static void Set(Word) {}
  static Word Standard(Word word) { return word; }
#endif

  Word before_;
};

}  // namespace thinwire

#endif  // THINWIRE_CODEC_FLOAT_ENVIRONMENT_H_
