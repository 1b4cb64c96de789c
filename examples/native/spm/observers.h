// What is made of an integration: voltages, their Jacobian, or the transposed Jacobian times a vector.
#ifndef SPM_OBSERVERS_H_
#define SPM_OBSERVERS_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sensitivity.h"

namespace spm {

// One shell of the polynomial of the last step.
inline Pair on_step(const Hermite& weights, const Integrator& it, int64_t shell) {
  return weights(it.value(0)[shell], it.value(kEnd)[shell], it.slope(0)[shell],
                 it.slope(kEnd)[shell]);
}

// V(min(t, t_end)) at the output times.
class Values {
 public:
  Values(const Mesh& mesh, const Groups& groups, const double* times, int64_t n_times,
         double* voltage)
      : mesh_(mesh), g_(groups), times_(times, n_times), voltage_(voltage) {}

  void step(const Integrator& it) {
    times_.in_step(it, [&](int64_t i, double s) {
      const Hermite at = Hermite::value(s, it.h());
      const Pair inner = on_step(at, it, mesh_.n - 2), outer = on_step(at, it, mesh_.n - 1);
      voltage_[i] = voltage<false>(mesh_, g_, inner, outer).value;
    });
  }

 private:
  const Mesh& mesh_;
  const Groups& g_;
  OutputTimes times_;
  double* voltage_;
};

// All derivatives of all voltages and of the end time, by forward sensitivities.
//
// The particles depend on four groups each, so that four directions that share every factorisation
// give the derivative along any number of them.
class Jacobian {
 public:
  Jacobian(const Mesh& mesh, const Groups& groups, const double* times, int64_t n_times)
      : mesh_(mesh),
        g_(groups),
        times_(times, n_times),
        n_times_(n_times),
        tangents_(mesh.n),
        by_own_length_(mesh.n),
        by_theta_(Groups::kSize * n_times),
        by_time_(n_times),
        by_length_(n_times),
        end_by_theta_(Groups::kSize) {
    // At rest nothing flows inside: the slope is the outflow alone, whatever the stoichiometry.
    const Pair none = {}, one = {1.0, 1.0};
    std::fill_n(tangents_.value(0), mesh.n, Eight{{none, none, none, one}});
    std::fill_n(tangents_.slope(0), mesh.n, Eight{});
    tangents_.slope(0)[mesh.n - 1] = {{none, none, none - mesh.outlet, none}};
  }

  void step(Integrator& it) {
    tangents_.propagate(
        it, [](int, int64_t) { return Eight{}; },
        [&](int stage, Eight* source) { it.particles().by_groups(it.value(stage), source); });
    if (it.is_last()) by_length(it, by_own_length_);
    times_.in_step(it, [&](int64_t i, double s) { output(it, i, s); });
    if (it.is_last()) end(it);
    tangents_.advance();
  }

  // The derivative along dtheta [kSize] and dtimes [n_times].
  void apply(const double* dtheta, const double* dtimes, double* d_voltage, double* d_t_end) const {
    double dh = at_cutoff_ || n_times_ == 0 ? 0.0 : dtimes[n_times_ - 1];
    for (int64_t r = 0; r < Groups::kSize; ++r) dh += end_by_theta_[r] * dtheta[r];
    *d_t_end = dh;
    for (int64_t i = 0; i < n_times_; ++i)
      d_voltage[i] = by_time_[i] * dtimes[i] + by_length_[i] * dh;
    for (int64_t r = 0; r < Groups::kSize; ++r)
      for (int64_t i = 0; i < n_times_; ++i)
        d_voltage[i] += by_theta_[r * n_times_ + i] * dtheta[r];
  }

 private:
  // dV/dtheta at a shell state whose tangents by the four directions are given.
  static void add_state(const Voltage& v, const Eight& inner, const Eight& outer, double* d_theta) {
    const Eight through = v.d_inner * inner + v.d_outer * outer;
    for (int64_t r = 0; r < Groups::kDirections; ++r) d_theta[r] += through[r];
  }

  void output(Integrator& it, int64_t i, double s) {
    const int64_t a = mesh_.n - 2, b = mesh_.n - 1;
    const Hermite at = Hermite::value(s, it.h());
    Voltage v = voltage<true>(mesh_, g_, on_step(at, it, a), on_step(at, it, b));
    const auto along = [&](auto& tangents, int64_t shell) {
      return at(tangents.value(0)[shell], tangents.value(kEnd)[shell], tangents.slope(0)[shell],
                tangents.slope(kEnd)[shell]);
    };
    add_state(v, along(tangents_, a), along(tangents_, b), v.d_theta);
    for (int64_t r = 0; r < Groups::kSize; ++r) by_theta_[r * n_times_ + i] = v.d_theta[r];
    const auto through = [&](Pair inner, Pair outer) {
      return sum(v.d_inner * inner + v.d_outer * outer);
    };
    const bool inside = s < 1.0;  // later times belong to the end, wherever it is
    const Hermite rate = Hermite::rate(s, it.h());
    by_time_[i] = inside ? through(on_step(rate, it, a), on_step(rate, it, b)) : 0.0;
    if (!it.is_last()) return;
    by_length_[i] = through(along(by_own_length_, a), along(by_own_length_, b));
    const Hermite stretch = Hermite::by_length(s, it.h());
    if (inside) by_length_[i] += through(on_step(stretch, it, a), on_step(stretch, it, b));
  }

  // The end time: the voltage there stays at the cut-off.
  void end(Integrator& it) {
    at_cutoff_ = it.at_cutoff();
    if (!at_cutoff_) return;
    const int64_t a = mesh_.n - 2, b = mesh_.n - 1;
    Voltage v = voltage<true>(mesh_, g_, it.value(kEnd)[a], it.value(kEnd)[b]);
    add_state(v, tangents_.value(kEnd)[a], tangents_.value(kEnd)[b], v.d_theta);
    v.d_theta[Groups::kCutoff] -= 1.0;
    const double rate =
        sum(v.d_inner * by_own_length_.value(kEnd)[a] + v.d_outer * by_own_length_.value(kEnd)[b]);
    for (int64_t r = 0; r < Groups::kSize; ++r) end_by_theta_[r] = -v.d_theta[r] / rate;
  }

  const Mesh& mesh_;
  const Groups& g_;
  OutputTimes times_;
  int64_t n_times_;
  StageTangents<Eight> tangents_;
  StageTangents<Pair> by_own_length_;
  std::vector<double> by_theta_;   // [kSize][n_times], the times and the last length held fixed
  std::vector<double> by_time_;    // by the output time itself
  std::vector<double> by_length_;  // by the length of the last step
  std::vector<double> end_by_theta_;
  bool at_cutoff_ = false;
};

// The cotangents of theta and the output times for those of the voltages and the end time: the steps
// are kept while they are made, and then gone through backwards.
class Adjoint {
 public:
  Adjoint(const Mesh& mesh, const Groups& groups, const double* times, int64_t n_times,
          const double* w_voltage, double w_t_end, double* theta, double* out_times)
      : mesh_(mesh),
        g_(groups),
        times_(times, n_times),
        n_times_(n_times),
        w_voltage_(w_voltage),
        w_length_(w_t_end),
        theta_(theta),
        out_times_(out_times),
        by_own_length_(mesh.n),
        x_(mesh.n),
        k_(kStages * mesh.n),
        mu_(mesh.n) {
    std::fill_n(theta, Groups::kSize, 0.0);
    std::fill_n(out_times, n_times, 0.0);
    outputs_.reserve(n_times);
    values_.reserve(64 * kEnd * mesh.n);  // a usual number of steps
  }

  void step(Integrator& it) {
    const int64_t a = mesh_.n - 2, b = mesh_.n - 1;
    times_.in_step(it, [&](int64_t i, double s) {
      const Hermite at = Hermite::value(s, it.h());
      const Voltage v = voltage<true>(mesh_, g_, on_step(at, it, a), on_step(at, it, b));
      const double w = w_voltage_[i];
      for (int64_t r = 0; r < Groups::kSize; ++r) theta_[r] += w * v.d_theta[r];
      outputs_.push_back({it.steps() - 1, at, w * v.d_inner, w * v.d_outer});
      if (s == 1.0) return;  // later times belong to the end, wherever it is
      const auto through = [&](const Hermite& weights) {
        return w * sum(v.d_inner * on_step(weights, it, a) + v.d_outer * on_step(weights, it, b));
      };
      out_times_[i] = through(Hermite::rate(s, it.h()));
      if (it.is_last()) w_length_ += through(Hermite::by_length(s, it.h()));
    });
    lengths_.push_back(it.h());
    const int stages = it.is_last() ? kStages : kEnd;  // the right end is the next left end
    values_.insert(values_.end(), it.value(0), it.value(stages));
    if (it.is_last()) by_length(it, by_own_length_);
  }

  void backwards(Integrator& it) {
    const int64_t n = mesh_.n, steps = static_cast<int64_t>(lengths_.size());
    auto output = outputs_.rbegin();
    Eight directions = {};
    for (int64_t step = steps - 1; step >= 0; --step) {
      Pair left[2] = {}, slope_left[2] = {};
      for (; output != outputs_.rend() && output->step == step; ++output)
        for (int shell = 0; shell < 2; ++shell) {
          const Pair w = output->w[shell];
          left[shell] += output->at.x0 * w;
          slope_left[shell] += output->at.k0 * w;
          x_[n - 2 + shell] += output->at.x1 * w;
          k_[(kEnd + 1) * n - 2 + shell] += output->at.k1 * w;
        }
      if (step == steps - 1) last_length(it);
      directions += through_stages(it, step);
      for (int shell = 0; shell < 2; ++shell) {
        x_[n - 2 + shell] += left[shell];
        k_[n - 2 + shell] += slope_left[shell];
      }
      std::copy_n(k_.data(), n, k_.data() + kEnd * n);
    }
    // At rest nothing flows inside: the slope is the outflow alone, whatever the stoichiometry.
    Pair initial = {};
    for (const Pair& x : x_) initial += x;
    directions += Eight{{Pair{}, Pair{}, -mesh_.outlet * k_[n - 1], initial}};
    for (int64_t r = 0; r < Groups::kDirections; ++r) theta_[r] += directions[r];
  }

 private:
  struct Output {
    int64_t step;
    Hermite at;
    Pair w[2];  // cotangents of the two outermost shells
  };

  const Pair* value(int64_t step, int stage) const {
    return values_.data() + (step * kEnd + stage) * mesh_.n;
  }

  // Hands the cotangent of the last step's length on to what fixes it.
  void last_length(Integrator& it) {
    const int64_t a = mesh_.n - 2, b = mesh_.n - 1;
    const Pair *dx = by_own_length_.value(kEnd), *dk = by_own_length_.slope(kEnd);
    Pair *x = x_.data(), *k = k_.data() + kEnd * mesh_.n;
    w_length_ += sum(x[a] * dx[a] + x[b] * dx[b] + k[a] * dk[a] + k[b] * dk[b]);
    if (!it.at_cutoff()) {
      if (n_times_ > 0) out_times_[n_times_ - 1] += w_length_;
      return;
    }
    const Voltage v = voltage<true>(mesh_, g_, it.value(kEnd)[a], it.value(kEnd)[b]);
    const double w = -w_length_ / sum(v.d_inner * dx[a] + v.d_outer * dx[b]);
    for (int64_t r = 0; r < Groups::kSize; ++r) theta_[r] += w * v.d_theta[r];
    theta_[Groups::kCutoff] -= w;
    x[a] += w * v.d_inner;
    x[b] += w * v.d_outer;
  }

  // From the cotangents of a step's right end, x_ and k_[kEnd], to those of its left end, x_ and
  // k_[0]; returns the cotangents of the four directions.
  Eight through_stages(Integrator& it, int64_t step) {
    const int64_t n = mesh_.n;
    const double h = lengths_[step], per_s = 1.0 / (h * kGamma);
    Eight directions = {};
    for (int j = 0; j < kStages; ++j)
      for (int64_t i = 0; i < n; ++i)
        k_[j * n + i] = (j == kEnd ? k_[j * n + i] : Pair{}) + (h * kA[kEnd][j]) * x_[i];
    for (int stage = kEnd; stage > 0; --stage) {
      const Pair* k = k_.data() + stage * n;
      std::copy_n(k, n, mu_.data());
      it.matrix_at(value(step, stage), h).solve_transposed(mu_.data());
      directions += it.particles().by_groups_transposed(value(step, stage), mu_.data());
      for (int64_t i = 0; i < n; ++i) {
        const Pair base = (mu_[i] - k[i]) * per_s;
        x_[i] += base;
        for (int j = 0; j < stage; ++j) k_[j * n + i] += (h * kA[stage][j]) * base;
      }
    }
    return directions;
  }

  const Mesh& mesh_;
  const Groups& g_;
  OutputTimes times_;
  int64_t n_times_;
  const double* w_voltage_;
  double w_length_;
  double *theta_, *out_times_;
  StageTangents<Pair> by_own_length_;
  std::vector<Output> outputs_;
  std::vector<double> lengths_;
  std::vector<Pair> values_;  // stages 0 to 4 of each step, and the end of the last
  std::vector<Pair> x_, k_, mu_;
};

}  // namespace spm

#endif  // SPM_OBSERVERS_H_
