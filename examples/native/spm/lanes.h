// Numbers that are computed side by side: one for each particle, or four for each.
//
// A Pair is a vector of the compiler (GCC and Clang), whose operators work number by number.
#ifndef SPM_LANES_H_
#define SPM_LANES_H_

#include <cstdint>
#include <cstring>

namespace spm {

typedef double Pair __attribute__((vector_size(16)));  // [negative, positive]

// Four of each particle: directions, or terms of its potential. Not one wide vector, which GCC takes
// apart number by number where the processor has none of that width.
struct Eight {
  Pair of[4];

  double operator[](int i) const { return of[i / 2][i % 2]; }
  Eight& operator+=(const Eight& other) {
    for (int i = 0; i < 4; ++i) of[i] += other.of[i];
    return *this;
  }
  Eight& operator-=(const Eight& other) {
    for (int i = 0; i < 4; ++i) of[i] -= other.of[i];
    return *this;
  }
};

template <class Function>
inline Eight each(Function&& function) {
  return {{function(0), function(1), function(2), function(3)}};
}
inline Eight operator+(const Eight& a, const Eight& b) {
  return each([&](int i) { return a.of[i] + b.of[i]; });
}
inline Eight operator-(const Eight& a, const Eight& b) {
  return each([&](int i) { return a.of[i] - b.of[i]; });
}
inline Eight operator*(const Eight& a, const Eight& b) {
  return each([&](int i) { return a.of[i] * b.of[i]; });
}
// The same number, or the same pair, for each of the four.
inline Eight operator*(double a, const Eight& b) {
  return each([&](int i) { return a * b.of[i]; });
}
inline Eight operator*(Pair a, const Eight& b) {
  return each([&](int i) { return a * b.of[i]; });
}

// The sum of the four, for each particle.
inline Pair sum_of_four(const Eight& v) { return (v.of[0] + v.of[1]) + (v.of[2] + v.of[3]); }

inline double sum(Pair p) { return p[0] + p[1]; }

template <class V>
inline V read(const double* from) {
  V v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

// exp(x), to 1 ulp: 2^n exp(r) with r in [-ln 2 / 2, ln 2 / 2] and a Taylor polynomial, whose next
// term is below 5e-18. Beyond [-708, 709] it is that of the end; NaN stays NaN.
inline Pair exponential(Pair x) {
  typedef uint64_t Bits __attribute__((vector_size(16)));
  const Pair zero = x - x;  // NaN where x is: it is carried along by the polynomial
  x = x < -708.0 ? zero - 708.0 : x;
  x = x > 709.0 ? zero + 709.0 : x;
  constexpr double kRound = 0x1.8p52;  // adding it rounds to an integer, left in the lowest bits
  const Pair shifted = x * 0x1.71547652b82fep0 + kRound;
  const Pair n = shifted - kRound;
  const Pair r = (x - n * 0x1.62e42feep-1) - n * 0x1.a39ef35793c76p-33;  // ln 2 in two parts
  constexpr double even[] = {1.0 / 479001600, 1.0 / 3628800, 1.0 / 40320, 1.0 / 720,
                             1.0 / 24,        0.5,           1.0};
  constexpr double odd[] = {1.0 / 6227020800, 1.0 / 39916800, 1.0 / 362880, 1.0 / 5040,
                            1.0 / 120,        1.0 / 6,        1.0};
  const Pair r2 = r * r;
  Pair p = zero + even[0], q = zero + odd[0];  // two short chains instead of a long one
  for (int i = 1; i < 7; ++i) {
    p = p * r2 + even[i];
    q = q * r2 + odd[i];
  }
  const Bits scale = ((Bits)shifted + 1023) << 52;
  return (p + r * q) * (Pair)scale;
}

}  // namespace spm

#endif  // SPM_LANES_H_
