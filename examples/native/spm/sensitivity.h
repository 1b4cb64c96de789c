// Output times, and the derivatives of the discrete solution in both modes.
//
// A step maps (value x, slope k) at its left end to those at its right end. Stage i solves
//   k_i = f(X_i),  X_i = x + h sum_{j <= i} a_ij k_j,
// so that its tangents follow from M_i = I - h gamma f'(X_i), with dB_i all of dX_i but its own k_i:
//   M_i dX_i = dB_i + h gamma f_theta(X_i) dtheta,  dk_i = (dX_i - dB_i) / (h gamma).
// Lengths that the step control chose are constants. The last step's length is an unknown: it
// reaches the last output time, or keeps the voltage at the cut-off.
#ifndef SPM_SENSITIVITY_H_
#define SPM_SENSITIVITY_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "integrator.h"

namespace spm {

// Cubic Hermite polynomial on a step of length h, at the fraction s of it: the weights of the values
// and slopes at both ends.
struct Hermite {
  double x0, x1, k0, k1;

  static Hermite value(double s, double h) {
    const double r = 1.0 - s;
    return {(1.0 + 2.0 * s) * r * r, s * s * (3.0 - 2.0 * s), h * s * r * r, -h * s * s * r};
  }
  // d/dt.
  static Hermite rate(double s, double h) {
    const double r = 1.0 - s;
    return {-6.0 * s * r / h, 6.0 * s * r / h, r * (1.0 - 3.0 * s), -s * (2.0 - 3.0 * s)};
  }
  // d/dh with the time, the left end, and what stands at the two ends held fixed.
  static Hermite by_length(double s, double h) {
    const double r = 1.0 - s;
    const Hermite d = rate(s, h);
    return {-s * d.x0, -s * d.x1, s * r * r - s * d.k0, -s * s * r - s * d.k1};
  }
  template <class V>
  V operator()(const V& left, const V& right, const V& slope_left, const V& slope_right) const {
    return x0 * left + x1 * right + k0 * slope_left + k1 * slope_right;
  }
};

// The output times that lie in one step after the other; those after the end belong to it.
class OutputTimes {
 public:
  OutputTimes(const double* times, int64_t n) : times_(times), n_(n) {}

  // Calls body(i, s) for each output time i in the last step of the integrator, at its fraction s.
  template <class Body>
  void in_step(const Integrator& it, Body&& body) {
    const double end = it.t() + it.h();
    for (; next_ < n_ && (it.is_last() || times_[next_] < end); ++next_)
      body(next_, times_[next_] < end ? (times_[next_] - it.t()) / it.h() : 1.0);
  }

 private:
  const double* times_;
  int64_t n_, next_ = 0;
};

// Tangents of a step's stages, for V = Eight (the four directions of each particle) or Pair.
template <class V>
class StageTangents {
 public:
  explicit StageTangents(int64_t n) : n_(n), values_(kStages * n), slopes_(kStages * n) {}

  V* value(int stage) { return values_.data() + stage * n_; }
  V* slope(int stage) { return slopes_.data() + stage * n_; }

  // From value(0) and slope(0); `explicit_part(stage, i)` is the part of dB_stage that follows from
  // the length of the step, `source(stage, out)` writes f_theta dtheta.
  template <class ExplicitPart, class Source>
  void propagate(Integrator& it, ExplicitPart&& explicit_part, Source&& source) {
    const double h = it.h(), s = h * kGamma, per_s = 1.0 / s;
    for (int stage = 1; stage < kStages; ++stage) {
      V *dx = value(stage), *dk = slope(stage);
      source(stage, dx);
      for (int64_t i = 0; i < n_; ++i) {
        V sum = values_[i] + explicit_part(stage, i);
        for (int j = 0; j < stage; ++j) sum += (h * kA[stage][j]) * slopes_[j * n_ + i];
        dk[i] = sum;
        dx[i] = sum + s * dx[i];
      }
      it.matrix_at(it.value(stage), h).solve(dx);
      for (int64_t i = 0; i < n_; ++i) dk[i] = per_s * (dx[i] - dk[i]);
    }
  }

  // The right end is where the next step begins.
  void advance() {
    std::copy_n(value(kEnd), n_, value(0));
    std::copy_n(slope(kEnd), n_, slope(0));
  }

 private:
  int64_t n_;
  std::vector<V> values_, slopes_;
};

// Tangents of the last step by its own length.
inline void by_length(Integrator& it, StageTangents<Pair>& out) {
  const int64_t n = it.n();
  std::fill_n(out.value(0), n, Pair{});
  std::fill_n(out.slope(0), n, Pair{});
  out.propagate(
      it,
      [&](int stage, int64_t i) {
        Pair sum = {};
        for (int j = 0; j <= stage; ++j) sum += kA[stage][j] * it.slope(j)[i];
        return sum;
      },
      [n](int, Pair* source) { std::fill_n(source, n, Pair{}); });
}

}  // namespace spm

#endif  // SPM_SENSITIVITY_H_
