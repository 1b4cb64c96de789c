// Single-precision numbers as many at once as a register holds, and what the pair energy needs.
//
// Vectors of GCC and Clang: + - * act on all lanes, a comparison gives 0 or -1 in each. The 4 x 4
// pairs of a tile are kParts vectors: pair (a, b) is number 4 a + b, counted through them.
#ifndef PAIRS_LANES_H_
#define PAIRS_LANES_H_

#if defined(__AVX__)
#include <immintrin.h>
#endif

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace pairs {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
// Vectors of a tile. Never wider than a register: GCC 12 would take such ones apart in memory.
constexpr int kParts = 16 / kLanes;

using Lanes = float __attribute__((vector_size(4 * kLanes)));
using Ints = int32_t __attribute__((vector_size(4 * kLanes)));
using Bits = uint32_t __attribute__((vector_size(4 * kLanes)));
using Four = float __attribute__((vector_size(16)));
using Eight = float __attribute__((vector_size(32)));
using FourDoubles = double __attribute__((vector_size(32)));

// Inlined always: a vector that is passed in memory costs more than the arithmetic on it.
#define PAIRS_INLINE inline __attribute__((always_inline))

template <class To, class From>
PAIRS_INLINE To bit_cast(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}

PAIRS_INLINE Lanes lanes(float x) { return x - Lanes{}; }

template <class T>
PAIRS_INLINE Four load_four(const T* from) {
  static_assert(sizeof(T) == sizeof(float), "numbers of 32 bits, moved as they are");
  Four x;
  std::memcpy(&x, from, sizeof(x));
  return x;
}

// Of four atoms, that of each pair's row, in one part of a tile; that of each pair's column; and
// the sum over the rows of a part, one number for each column.
#if defined(__AVX512F__)
template <class T>
PAIRS_INLINE Lanes by_rows(const T* four, int) {
  const Four x = load_four(four);
  return __builtin_shufflevector(x, x, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
}
template <class T>
PAIRS_INLINE Lanes by_columns(const T* four) {
  return _mm512_broadcast_f32x4(load_four(four));
}
PAIRS_INLINE Four over_rows(const Lanes& x) {
  const Eight half = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
                     __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
  return __builtin_shufflevector(half, half, 0, 1, 2, 3) +
         __builtin_shufflevector(half, half, 4, 5, 6, 7);
}
#elif defined(__AVX__)
template <class T>
PAIRS_INLINE Lanes by_rows(const T* four, int part) {
  const Four x = load_four(four);
  return part == 0 ? __builtin_shufflevector(x, x, 0, 0, 0, 0, 1, 1, 1, 1)
                   : __builtin_shufflevector(x, x, 2, 2, 2, 2, 3, 3, 3, 3);
}
template <class T>
PAIRS_INLINE Lanes by_columns(const T* four) {
  const Four x = load_four(four);
  return __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7);
}
PAIRS_INLINE Four over_rows(const Lanes& x) {
  return __builtin_shufflevector(x, x, 0, 1, 2, 3) + __builtin_shufflevector(x, x, 4, 5, 6, 7);
}
#else
template <class T>
PAIRS_INLINE Lanes by_rows(const T* four, int part) {
  const float x = load_four(four)[part];
  return Lanes{x, x, x, x};
}
template <class T>
PAIRS_INLINE Lanes by_columns(const T* four) {
  return load_four(four);
}
PAIRS_INLINE Four over_rows(const Lanes& x) { return x; }
#endif

PAIRS_INLINE void add_four(double* to, const Four& four) {
#if defined(__AVX__)
  const FourDoubles wide = _mm256_cvtps_pd(four);
#else
  const FourDoubles wide = __builtin_convertvector(four, FourDoubles);
#endif
  FourDoubles sum;
  std::memcpy(&sum, to, sizeof(sum));
  sum += wide;
  std::memcpy(to, &sum, sizeof(sum));
}

// Bit k for lane k, which is 0 or -1.
PAIRS_INLINE int32_t to_mask(const Ints& x) {
#if defined(__AVX512F__)
  const __m512i bits = bit_cast<__m512i>(x);
  return _mm512_test_epi32_mask(bits, bits);
#elif defined(__AVX__)
  return _mm256_movemask_ps(bit_cast<__m256>(x));
#else
  int32_t mask = 0;
  for (int k = 0; k < kLanes; ++k) mask |= (x[k] & 1) << k;
  return mask;
#endif
}
// The lanes of one part whose bits are set in the mask of a tile.
PAIRS_INLINE Ints from_mask(int32_t mask, int part) {
  Ints bit;
  for (int k = 0; k < kLanes; ++k) bit[k] = 1 << k;
  return (mask >> part * kLanes & bit) != 0;
}

PAIRS_INLINE Lanes inverse_root(const Lanes& x) {
#if defined(__AVX512F__)
  // 14 bits from a table, and one step of Newton: 1e-7, in a third of the time of 1 / sqrt(x).
  const Lanes y = _mm512_rsqrt14_ps(x);
  return y * (1.5f - (0.5f * x) * (y * y));
#elif defined(__AVX__)
  return 1.0f / _mm256_sqrt_ps(x);
#else
  Lanes y;
  for (int k = 0; k < kLanes; ++k) y[k] = 1.0f / std::sqrt(x[k]);
  return y;
#endif
}

// A place in a periodic box along one edge, as a fraction of it in units of 2^-32. Needs a finite
// x / edge.
inline uint32_t fixed_point(double x, double edge) {
  const double turns = x / edge;
  return static_cast<uint32_t>(static_cast<uint64_t>((turns - std::floor(turns)) * 4294967296.0));
}

// x_i - x_j to the nearest image: the difference of places wraps around by itself, and is exact.
// unit: the edge divided by 2^32.
PAIRS_INLINE Lanes nearest_image(const Bits& i, const Bits& j, float unit) {
  return unit * __builtin_convertvector(bit_cast<Ints>(i - j), Lanes);
}

// A polynomial on [-1, 1], highest power first.
template <size_t degree>
struct Polynomial {
  std::array<float, degree + 1> coefficients;

  PAIRS_INLINE Lanes operator()(const Lanes& s) const {
    Lanes sum = lanes(coefficients[0]);
    for (size_t k = 1; k <= degree; ++k) sum = sum * s + coefficients[k];
    return sum;
  }
};

// The polynomial through f at the Chebyshev points: within a small factor of the best one, made at
// each call for the range that the call needs, in microseconds.
template <size_t degree, class F>
Polynomial<degree> interpolate(F&& f) {
  constexpr size_t n = degree + 1;
  const double pi = std::acos(-1.0);
  std::array<double, n> values, sum{}, t0{}, t1{};
  for (size_t j = 0; j < n; ++j) values[j] = f(std::cos(pi * (j + 0.5) / n));
  // t0 and t1 are T_k and T_(k+1) in powers of s, lowest first.
  t0[0] = 1, t1[1 % n] = 1;
  for (size_t k = 0; k < n; ++k) {
    double c = 0;
    for (size_t j = 0; j < n; ++j) c += values[j] * std::cos(pi * k * (j + 0.5) / n);
    c *= (k == 0 ? 1.0 : 2.0) / n;
    for (size_t i = 0; i < n; ++i) sum[i] += c * t0[i];
    std::array<double, n> t2{};
    for (size_t i = 0; i < n; ++i) t2[i] = (i > 0 ? 2 * t1[i - 1] : 0.0) - t0[i];
    t0 = t1, t1 = t2;
  }
  Polynomial<degree> found;
  for (size_t i = 0; i < n; ++i) found.coefficients[degree - i] = static_cast<float>(sum[i]);
  return found;
}

// 2^x for -126 <= x <= 0.
class Exp2 {
 public:
  Exp2() : fraction_(interpolate<6>([](double s) { return std::exp2(0.5 * s); })) {}

  PAIRS_INLINE Lanes operator()(const Lanes& x) const {
    // Adding 1.5 * 2^23 leaves no room for a fraction: x is rounded, and the low bits hold it.
    const Lanes shifted = x + 12582912.0f;
    const Lanes whole = shifted - 12582912.0f;
    const Lanes scaled = fraction_(2.0f * (x - whole));
    return bit_cast<Lanes>(bit_cast<Bits>(scaled) + (bit_cast<Bits>(shifted) << 23));
  }

 private:
  Polynomial<6> fraction_;
};

}  // namespace pairs

#endif  // PAIRS_LANES_H_
