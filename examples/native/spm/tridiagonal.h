// Tridiagonal systems of both particles, solved side by side.
#ifndef SPM_TRIDIAGONAL_H_
#define SPM_TRIDIAGONAL_H_

#include <cstdint>
#include <vector>

#include "lanes.h"

namespace spm {

// Factors of tridiagonal matrices [n, n], one for each particle, without pivoting: those of implicit
// diffusion are diagonally dominant.
//
// Elimination goes from both ends to the middle row. Each of its steps waits for the one before, so
// that two chains side by side take half the time of one.
class Tridiagonal {
 public:
  explicit Tridiagonal(int64_t n)
      : n_(n), middle_(n / 2), below_(n), inverse_(n), above_(n) {}

  // The matrix is written to below()[n - 1], diagonal()[n] and above()[n - 1], then factorised.
  Pair* below() { return below_.data(); }
  Pair* diagonal() { return inverse_.data(); }
  Pair* above() { return above_.data(); }

  void factorise() {
    const auto eliminate = [this](int64_t row, int64_t next, Pair& to_next, Pair& from_next) {
      inverse_[row] = 1.0 / inverse_[row];
      const Pair multiplier = to_next * inverse_[row];
      inverse_[next] -= multiplier * from_next;
      from_next *= inverse_[row];
      to_next = multiplier;
    };
    for (int64_t i = 0, j = n_ - 1; i < middle_; ++i, --j) {
      eliminate(i, i + 1, below_[i], above_[i]);
      if (j > middle_) eliminate(j, j - 1, above_[j - 1], below_[j - 1]);
    }
    inverse_[middle_] = 1.0 / inverse_[middle_];
  }

  // v := A^-1 v, for one or four right sides of each particle.
  template <class V>
  void solve(V* v) const {
    sweep(below_.data(), above_.data(), v);
  }

  // v := A^-T v: the same factors with their roles exchanged.
  template <class V>
  void solve_transposed(V* v) const {
    sweep(above_.data(), below_.data(), v);
  }

 private:
  // After factorise(), below_[i] and above_[i] between rows i and i + 1 are: before the middle the
  // multiplier from i to i + 1 and what is substituted back, behind it the other way about.
  template <class V>
  void sweep(const Pair* down, const Pair* up, V* v) const {
    V a = v[0], b = v[n_ - 1];
    for (int64_t i = 1, j = n_ - 2; i < middle_; ++i, --j) {
      v[i] = a = v[i] - down[i - 1] * a;
      if (j > middle_) v[j] = b = v[j] - up[j] * b;
    }
    a = v[middle_] - down[middle_ - 1] * a - up[middle_] * b;
    v[middle_] = a = b = inverse_[middle_] * a;
    for (int64_t i = middle_ - 1, j = middle_ + 1; i >= 0; --i, ++j) {
      v[i] = a = inverse_[i] * v[i] - up[i] * a;
      if (j < n_) v[j] = b = inverse_[j] * v[j] - down[j - 1] * b;
    }
  }

  int64_t n_, middle_;
  std::vector<Pair> below_, inverse_, above_;
};

}  // namespace spm

#endif  // SPM_TRIDIAGONAL_H_
