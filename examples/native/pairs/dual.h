// Numbers that carry a derivative: value + tangent * d, with d * d = 0.
//
// A formula written for a type S gives the derivative along a direction with S = Dual<Lanes>, and
// that of a derivative with S = Dual<Dual<Lanes>>. A direction is a choice of the tangents.
#ifndef PAIRS_DUAL_H_
#define PAIRS_DUAL_H_

#include "lanes.h"

namespace pairs {

template <class T>
struct Dual {
  T value, tangent;
};

template <class T>
PAIRS_INLINE Dual<T> operator+(const Dual<T>& a, const Dual<T>& b) {
  return {a.value + b.value, a.tangent + b.tangent};
}
template <class T>
PAIRS_INLINE Dual<T> operator-(const Dual<T>& a, const Dual<T>& b) {
  return {a.value - b.value, a.tangent - b.tangent};
}
template <class T>
PAIRS_INLINE Dual<T> operator*(const Dual<T>& a, const Dual<T>& b) {
  return {a.value * b.value, a.value * b.tangent + a.tangent * b.value};
}
template <class T>
PAIRS_INLINE Dual<T> operator*(float a, const Dual<T>& b) {
  return {a * b.value, a * b.tangent};
}

// Numbers of double precision have the same rule, and 1/x beside it.
template <class T>
PAIRS_INLINE Dual<T> inverse(const Dual<T>& a);
PAIRS_INLINE double inverse(double a) { return 1.0 / a; }
template <class T>
PAIRS_INLINE Dual<T> inverse(const Dual<T>& a) {
  const T y = inverse(a.value);
  return {y, -1.0f * (y * y) * a.tangent};
}

PAIRS_INLINE double root(double a) { return std::sqrt(a); }
template <class T>
PAIRS_INLINE Dual<T> root(const Dual<T>& a) {
  const T y = root(a.value);
  return {y, 0.5f * (a.tangent * inverse(y))};
}

}  // namespace pairs

#endif  // PAIRS_DUAL_H_
