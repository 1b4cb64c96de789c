// exp(x) - 1 in float32 and what the cell makes of it, in a form that compilers turn into vectors.
//
// The functions of <cmath> work on one number at a time, and 16 x 384 calls of them cost more than
// the matrix product. Here is no branch and no call. NaN stays NaN, and infinities have their limits.
#ifndef LLTM_FLOAT_MATH_H_
#define LLTM_FLOAT_MATH_H_

#include <cstdint>
#include <cstring>

namespace float_math {

// exp(x) - 1, within 2.5 units in the last place: x = n ln 2 + r with |r| <= ln(2) / 2, and
// exp(x) - 1 = 2^n (exp(r) - 1) + (2^n - 1), where nothing cancels, since for n = 0 the last is 0.
inline float Expm1(float x) {
  constexpr float kRound = 12582912.0f;  // 1.5 2^23: a float this large has no fraction
  constexpr float kLog2e = 1.44269504f;
  // ln 2 in two parts: n times the first, of 15 bits, is exact.
  constexpr float kLn2High = 0.693145752f;
  constexpr float kLn2Low = 1.42860682e-6f;
  // Beyond these the result is -1 and infinity; a NaN passes both.
  x = x < -30.0f ? -30.0f : x;
  x = x > 89.0f ? 89.0f : x;
  const float shifted = x * kLog2e + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * kLn2High) - n * kLn2Low;
  // Taylor's series to the 7th power: the next term is at most r^7 / 8! = 1.5e-8 of the sum.
  float tail = 1.0f / 5040;
  tail = tail * r + 1.0f / 720;
  tail = tail * r + 1.0f / 120;
  tail = tail * r + 1.0f / 24;
  tail = tail * r + 1.0f / 6;
  tail = tail * r + 0.5f;
  const float expm1_r = r + r * r * tail;
  // 2^(n - 1), by its exponent: the lowest bits of `shifted` are n. Half of 2^n, since 2^128 is no
  // float, and exp(88.7) is one.
  uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 126u) << 23;
  float half;
  std::memcpy(&half, &bits, sizeof half);
  return 2.0f * (half * expm1_r + (half - 0.5f));
}

// 1 / (1 + exp(-x))
inline float Sigmoid(float x) { return 1.0f / (2.0f + Expm1(-x)); }

// (exp(2 x) - 1) / (exp(2 x) + 1); from 10 on it rounds to 1, and infinity / infinity would be NaN.
inline float Tanh(float x) {
  const float twice = Expm1(2.0f * (x > 10.0f ? 10.0f : x));
  return twice / (twice + 2.0f);
}

// x where it is positive, else exp(x) - 1
inline float Elu(float x) {
  const float below = Expm1(x);
  return x > 0.0f ? x : below;
}

}  // namespace float_math

#endif  // LLTM_FLOAT_MATH_H_
