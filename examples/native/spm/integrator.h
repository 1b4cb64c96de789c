// The adaptive integration of the particles until the cut-off, with what happens seen by an observer.
#ifndef SPM_INTEGRATOR_H_
#define SPM_INTEGRATOR_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "model.h"
#include "tridiagonal.h"

namespace spm {

// Kennedy and Carpenter, Appl. Numer. Math. 44 (2003) 139, the implicit part of ARK4(3)6L[2]SA:
// order 4, embedded 3, explicit first stage, stiffly accurate (the last stage is the solution).
constexpr int kStages = 6, kEnd = 5;
constexpr double kGamma = 1.0 / 4;
constexpr double kA[kStages][kStages] = {
    {},
    {kGamma, kGamma},
    {8611.0 / 62500, -1743.0 / 31250, kGamma},
    {5012029.0 / 34652500, -654441.0 / 2922500, 174375.0 / 388108, kGamma},
    {15267082809.0 / 155376265600, -71443401.0 / 120774400, 730878875.0 / 902184768,
     2285395.0 / 8070912, kGamma},
    {82889.0 / 524892, 0.0, 15625.0 / 83664, 69875.0 / 102672, -2260.0 / 8211, kGamma}};
constexpr double kEmbedded[kStages] = {4586570599.0 / 29645900160, 0.0, 178811875.0 / 945068544,
                                       814220225.0 / 1159782912, -3700637.0 / 11593932,
                                       61727.0 / 225920};
constexpr double kNewtonTolerance = 1e-2;  // of the tolerance of the step
constexpr double kEventTolerance = 1e-12;  // of the length of the step
constexpr int kEventIterations = 100;

// How an integration ended; the numbers are those of `Status` in spm_result.py.
enum class Status : int32_t {
  kCompleted = 0,
  kCutOff = 1,
  kTooManySteps = 2,
  kStepTooSmall = 3,
  kBelowCutOffAtStart = 4,
  kOutOfRange = 5,
  kNotFinite = 6,
  kBadTimes = 7,
};

inline bool succeeded(Status status) {
  return status == Status::kCompleted || status == Status::kCutOff;
}

struct Settings {
  int64_t n_shells;
  double grading;     // of the mesh
  double rtol, atol;  // of the stoichiometries
  double step;        // fixed length [s], without error control; 0: chosen by the error
  int64_t max_steps;
};

// Step control and Newton's iteration as in gradion.numerics.integrate.
class Integrator {
 public:
  Integrator(const Mesh& mesh, const Groups& groups, const Settings& settings)
      : mesh_(mesh),
        g_(groups),
        settings_(settings),
        particles_(mesh, groups),
        matrix_(mesh.n),
        scratch_(mesh.n),
        values_(kStages * mesh.n),
        slopes_(kStages * mesh.n) {}

  // Integrates from rest at t = 0 to t_end [s]. `observer.step(*this)` is called after each step,
  // while the last one, of steps(), is the one that all members tell of.
  template <class Observer>
  Status run(double t_end, Observer& observer);

  int64_t n() const { return mesh_.n; }
  int64_t steps() const { return steps_; }
  const Particles& particles() const { return particles_; }

  // Of the last step: where it begins [s], its length [s], whether it is the very last one and
  // whether it ends at the cut-off, and values and slopes of its stages [n]; 0 is where it begins.
  double t() const { return t_; }
  double h() const { return h_; }
  bool is_last() const { return last_; }
  bool at_cutoff() const { return at_cutoff_; }
  const Pair* value(int stage) const { return values_.data() + stage * mesh_.n; }
  const Pair* slope(int stage) const { return slopes_.data() + stage * mesh_.n; }

  // Factors of I - h gamma df/dx at x; they are kept while they stay the same.
  const Tridiagonal& matrix_at(const Pair* x, double h) {
    if (particles_.is_linear() && h == factorised_) return matrix_;
    particles_.matrix(x, h * kGamma, matrix_.below(), matrix_.diagonal(), matrix_.above());
    matrix_.factorise();
    factorised_ = h;
    return matrix_;
  }

 private:
  Pair* values(int stage) { return values_.data() + stage * mesh_.n; }
  Pair* slopes(int stage) { return slopes_.data() + stage * mesh_.n; }

  // Root mean square of v(i) weighted at max(|x_i|, |y_i|).
  template <class Vector>
  double norm(const Vector& v, const Pair* x, const Pair* y) const {
    double squares = 0.0;
    for (int64_t i = 0; i < mesh_.n; ++i) {
      const Pair a = x[i] < 0.0 ? -x[i] : x[i], b = y[i] < 0.0 ? -y[i] : y[i];
      const Pair scaled = v(i) / (settings_.atol + settings_.rtol * (a > b ? a : b));
      squares += sum(scaled * scaled);
    }
    return std::sqrt(squares / double(2 * mesh_.n));
  }

  Voltage voltage_at(const Pair* x) const {
    return voltage<false>(mesh_, g_, x[mesh_.n - 2], x[mesh_.n - 1]);
  }

  // value(i) and slope(i) for i > 0, over a step of length h_; false if Newton fails.
  bool take_step();
  template <int kStage>
  bool stage(const Tridiagonal& matrix);
  double error_of_step();
  double first_length(double t_end) const;
  // Of the next attempt: a PI controller, integral only after a rejection.
  double next_length(bool solved, double error, double error_before, bool rejected) const;
  // Shortens the step so that it ends at the cut-off.
  bool locate();

  const Mesh& mesh_;
  const Groups& g_;
  const Settings& settings_;
  Particles particles_;
  Tridiagonal matrix_;
  double factorised_ = 0.0;
  std::vector<Pair> scratch_, values_, slopes_;
  double t_ = 0.0, h_ = 0.0;
  int64_t steps_ = 0;
  bool last_ = false, at_cutoff_ = false;
};

template <int kStage>
bool Integrator::stage(const Tridiagonal& matrix) {
  const int64_t n = mesh_.n;
  const double s = h_ * kGamma;
  Pair *x = values(kStage), *k = slopes(kStage), *dk = scratch_.data();
  const Pair* k_all = slopes_.data();
  const auto base = [&](int64_t i) {
    Pair x_i = values_[i];
    for (int j = 0; j < kStage; ++j) x_i += (h_ * kA[kStage][j]) * k_all[j * n + i];
    return x_i;
  };
  if (particles_.is_linear()) {
    for (int64_t i = 0; i < n; ++i) x[i] = base(i);
    particles_.rate(x, k);
    matrix.solve(k);
    for (int64_t i = 0; i < n; ++i) x[i] += s * k[i];
    return true;
  }
  // Simplified Newton iteration for k = f(base + s k), from the slope of the stage before.
  std::copy_n(slopes(kStage - 1), n, k);
  const double floor = 8.0 * std::numeric_limits<double>::epsilon() *
                       norm(base, values(0), values(0));
  double before = 1.0;
  bool converged = false;
  for (int iteration = 0; iteration < 10 && !converged; ++iteration) {
    for (int64_t i = 0; i < n; ++i) x[i] = base(i) + s * k[i];
    particles_.rate(x, dk);
    for (int64_t i = 0; i < n; ++i) dk[i] -= k[i];
    matrix.solve(dk);
    for (int64_t i = 0; i < n; ++i) k[i] += dk[i];
    const double update = s * norm([dk](int64_t i) { return dk[i]; }, values(0), values(0));
    const double rate = update / before;
    const bool first = iteration == 0, small = update <= 1e-2;
    if (!std::isfinite(update) || (!first && rate > 2.0 && !small)) return false;
    // Geometric series of the updates still to come; the first one has no rate to go by.
    const double remaining = (first ? 10.0 : rate / std::max(1.0 - rate, 0.1)) * update;
    // Updates that are small and no longer shrink are round-off.
    converged = remaining <= kNewtonTolerance || update <= floor || (!first && rate > 0.5 && small);
    before = update;
  }
  for (int64_t i = 0; i < n; ++i) x[i] = base(i) + s * k[i];
  return converged;
}

inline bool Integrator::take_step() {
  const int64_t n = mesh_.n;
  Pair* predicted = values(1);
  for (int64_t i = 0; i < n; ++i) predicted[i] = values_[i] + h_ * kGamma * slopes_[i];
  const Tridiagonal& matrix = matrix_at(predicted, h_);
  return stage<1>(matrix) && stage<2>(matrix) && stage<3>(matrix) && stage<4>(matrix) &&
         stage<5>(matrix);
}

// In units of the tolerance. It is filtered through the matrix of the step, so that stiff
// components do not dominate it.
inline double Integrator::error_of_step() {
  const int64_t n = mesh_.n;
  Pair* raw = scratch_.data();
  for (int64_t i = 0; i < n; ++i) {
    raw[i] = Pair{};
    for (int j = 0; j < kStages; ++j)
      raw[i] += (h_ * (kA[kEnd][j] - kEmbedded[j])) * slopes_[j * n + i];
  }
  matrix_.solve(raw);
  return norm([raw](int64_t i) { return raw[i]; }, values(0), values(kEnd));
}

// The step itself is repeated with its length as the unknown, so that the state at the event is the
// method's own solution there and not an interpolation. Newton's iteration, whose slope is the rate
// at the end of the step, within a bracket that it may not leave.
inline bool Integrator::locate() {
  const int64_t a = mesh_.n - 2, b = mesh_.n - 1;
  const Pair *x = values(kEnd), *k = slopes(kEnd);
  const double resolution = kEventTolerance * std::max(t_ * 1e-3, h_);
  double low = 0.0, high = h_, change = h_;
  for (int i = 0; i < kEventIterations; ++i) {
    const Voltage v = voltage<true>(mesh_, g_, x[a], x[b]);
    const double margin = v.value - g_.cutoff, noise = 1e-15 * std::abs(v.value);
    if (std::abs(margin) <= noise || change <= resolution) return true;
    (margin > 0.0 ? low : high) = h_;
    double next = h_ - margin / sum(v.d_inner * k[a] + v.d_outer * k[b]);
    if (!(next > low && next < high)) next = 0.5 * (low + high);
    change = std::abs(next - h_);
    h_ = next;
    if (!take_step()) return false;
  }
  return false;
}

inline double Integrator::first_length(double t_end) const {
  if (settings_.step > 0.0) return settings_.step;
  const double size = norm([this](int64_t i) { return values_[i]; }, value(0), value(0));
  const double speed = norm([this](int64_t i) { return slopes_[i]; }, value(0), value(0));
  return std::min(std::max(0.01 * size / std::max(speed, 1e-300), 1e-9 * t_end), 0.1 * t_end);
}

inline double Integrator::next_length(bool solved, double error, double error_before,
                                      bool rejected) const {
  if (!solved) return 0.25 * h_;
  constexpr double kPower = 1.0 / 4;  // one over the order of the error estimate
  error = std::max(error, 1e-10);
  const double integral = std::pow(error, -kPower);
  if (error > 1.0) return h_ * std::min(std::max(0.9 * integral, 0.1), 0.9);
  const double factor = rejected ? std::min(0.9 * integral, 1.0)
                                 : 0.9 * std::pow(error, -0.7 * kPower) *
                                       std::pow(error_before, 0.4 * kPower);
  return h_ * std::min(std::max(factor, 0.2), 5.0);
}

template <class Observer>
Status Integrator::run(double t_end, Observer& observer) {
  const bool fixed = settings_.step > 0.0;
  std::fill_n(values(0), mesh_.n, g_.initial);
  particles_.rate(values(0), slopes(0));
  const Voltage at_start = voltage_at(values(0));
  if (!std::isfinite(at_start.value - g_.cutoff)) return Status::kNotFinite;
  if (at_start.value <= g_.cutoff) return Status::kBelowCutOffAtStart;
  if (!at_start.in_range()) return Status::kOutOfRange;
  if (t_end <= 0.0) return Status::kCompleted;

  double next = first_length(t_end), error_before = 1.0;
  bool rejected = false;
  for (int64_t attempts = 0; attempts < 8 * settings_.max_steps; ++attempts) {
    const double remaining = t_end - t_;
    last_ = next >= remaining * (1.0 - 1e-9);
    // The last two steps share what is left, so that none is a sliver.
    h_ = last_ ? remaining : fixed ? next : std::min(next, 0.5 * remaining);
    bool solved = take_step();
    const double error = solved && !fixed ? error_of_step() : 0.0;
    Voltage at_end = voltage_at(values(kEnd));
    const double after = at_end.value - g_.cutoff;
    solved = solved && std::isfinite(error) && std::isfinite(after);
    // Of the attempt as it was, before the cut-off shortens it.
    next = fixed ? settings_.step : next_length(solved, error, error_before, rejected);
    bool accepted = solved && error <= 1.0;
    if (accepted && after <= 0.0) {
      last_ = at_cutoff_ = true;
      accepted = locate();
      if (!accepted) next = 0.25 * h_;
      at_end = voltage_at(values(kEnd));
    }
    rejected = !accepted;
    if (rejected) {
      at_cutoff_ = false;
      const double round_off = 16.0 * std::numeric_limits<double>::epsilon();
      if (fixed || next < round_off * std::max(t_, remaining)) return Status::kStepTooSmall;
      continue;
    }
    ++steps_;
    if (!at_end.in_range()) return Status::kOutOfRange;
    observer.step(*this);
    if (last_) return at_cutoff_ ? Status::kCutOff : Status::kCompleted;
    if (steps_ >= settings_.max_steps) return Status::kTooManySteps;
    t_ += h_;
    error_before = std::max(error, 1e-4);
    std::copy_n(values(kEnd), mesh_.n, values(0));
    std::copy_n(slopes(kEnd), mesh_.n, slopes(0));
  }
  return Status::kTooManySteps;
}

}  // namespace spm

#endif  // SPM_INTEGRATOR_H_
