// All frames of a call: atoms into clusters, pairs of tiles into sums, sums back to atoms.
//
// An index that leaves its array is an error of the call. What makes no sense otherwise makes NaN
// of the results of its frame: a box too small, an epsilon below zero, a position that is not
// finite, an order without some atom. So one frame does not take the others with it, nor a program
// that evaluates at zeros what it then throws away, as solvers and `jax.vmap` of a choice do.
#ifndef PAIRS_EVALUATE_H_
#define PAIRS_EVALUATE_H_

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "gradion/parallel.h"
#include "tile_sum.h"

namespace pairs {

// Inputs of a call with `frames` examples, each as the operator declares it.
struct Frames {
  int64_t frames, atoms, clusters, tiles;
  const double *positions, *charge, *sigma, *epsilon, *box;
  const int32_t *order, *list;
  double cutoff, alpha, coulomb;
};

// A direction in all differentiable inputs; zero in those that are null. The factor is of a frame.
struct Direction {
  const double *positions = nullptr, *charge = nullptr, *sigma = nullptr, *epsilon = nullptr;
  const double* factor = nullptr;
  double sign = 1;
};

// Where results go; not wanted where null. `sign` is that of dE/dx.
struct Results {
  double *energy = nullptr, *positions = nullptr, *charge = nullptr, *sigma = nullptr,
         *epsilon = nullptr;
  double sign = 1;
};

constexpr int64_t kTilesPerTask = 1 << 15;
constexpr int64_t kClustersPerTask = 8 * kClustersPerBlock;
// Frames that are worked on together have this many atoms, so that scratch memory is bounded.
constexpr int64_t kAtomsTogether = 1 << 16;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
// In place of the four bits that say which atoms of a cluster are there.
constexpr uint8_t kWrong = 0xff;

// Numbers in double precision with the derivatives that S has.
template <class S>
struct RealOf;
template <>
struct RealOf<Lanes> {
  using type = double;
};
template <class T>
struct RealOf<Dual<T>> {
  using type = Dual<typename RealOf<T>::type>;
};

// The number x with tangents along the directions. Dual<Dual>: d[1] is the outer direction.
inline void set(double& to, double x, const double*) { to = x; }
inline void set(Dual<double>& to, double x, const double* d) { to = {x, d[0]}; }
inline void set(Dual<Dual<double>>& to, double x, const double* d) { to = {{x, d[0]}, {d[1], 0}}; }

// Component by component, four floats apart.
inline float* store(float* at, double x) {
  *at = static_cast<float>(x);
  return at + 4;
}
template <class T>
float* store(float* at, const Dual<T>& x) {
  return store(store(at, x.value), x.tangent);
}

template <class S, bool kParameters>
class Evaluation {
 public:
  static constexpr int kDirections =
      Components<S>::count == 1 ? 0 : Components<S>::count == 2 ? 1 : 2;

  // weight: one number for each frame, or null for zeros; see `read`.
  Evaluation(const Frames& in, const std::array<Direction, 2>& directions, const double* weight,
             const Results& out)
      : in_(in),
        directions_(directions),
        weight_(weight),
        out_(out),
        model_(in.cutoff, in.alpha),
        root_coulomb_(std::sqrt(in.coulomb)),
        together_(std::clamp<int64_t>(kAtomsTogether / std::max<int64_t>(4 * in.clusters, 1), 1,
                                      std::max<int64_t>(in.frames, 1))),
        sum_tasks_((in.tiles + kTilesPerTask - 1) / kTilesPerTask),
        atom_tasks_((in.clusters + kClustersPerTask - 1) / kClustersPerTask),
        records_(together_ * in.clusters * kRecord<S>),
        present_(together_ * in.clusters),
        spread_(together_ * in.clusters),
        is_wrong_(together_) {}

  void run(xla::ffi::ThreadPool& pool) {
    for (first_ = 0; first_ < in_.frames; first_ += together_) {
      const int64_t count = std::min(together_, in_.frames - first_);
      gradion::parallel_for(pool, count, [&](int64_t f) { check_frame(f); });
      gradion::parallel_for(pool, count * atom_tasks_, [&](int64_t task) {
        each_cluster(task, [&](int64_t f, int64_t c) { gather(f, c); });
      });
      for (int64_t f = 0; f < count; ++f)
        for (int64_t c = 0; c < in_.clusters; ++c) is_wrong_[f] |= present_[at(f, c)] == kWrong;
      sums_.clear();
      sums_.resize(count * sum_tasks_);
      gradion::parallel_for(pool, count * sum_tasks_, [&](int64_t task) { sum(task); });
      gradion::parallel_for(pool, count * atom_tasks_, [&](int64_t task) {
        each_cluster(task, [&](int64_t f, int64_t c) { scatter(f, c); });
      });
      for (int64_t f = 0; f < count; ++f) {
        if (is_wrong_[f]) {
          fill_frame(first_ + f, kNaN);
        } else if (out_.energy) {
          double total = 0;
          for (int64_t k = 0; k < sum_tasks_; ++k) total += sums_[f * sum_tasks_ + k]->energy;
          out_.energy[first_ + f] = total;
        }
      }
    }
  }

 private:
  // Each atom stands once in the order; the box is large enough for the nearest image alone.
  void check_frame(int64_t f) {
    const int64_t frame = first_ + f;
    is_wrong_[f] = false;
    for (int k = 0; k < 3; ++k) {
      const double edge = in_.box[3 * frame + k];
      is_wrong_[f] |= !(edge >= 2 * in_.cutoff) || !std::isfinite(edge);
    }
    std::vector<bool> seen(in_.atoms);
    int64_t found = 0;
    for (int64_t slot = 0; slot < 4 * in_.clusters; ++slot) {
      const int64_t atom = in_.order[4 * in_.clusters * frame + slot];
      if (atom == -1) continue;
      if (atom < 0 || atom >= in_.atoms)
        throw std::invalid_argument("order has the atom " + std::to_string(atom) + " at place " +
                                    std::to_string(slot) + " of frame " + std::to_string(frame) +
                                    "; expected 0 to " + std::to_string(in_.atoms - 1) + " or -1");
      is_wrong_[f] |= seen[atom];
      seen[atom] = true;
      ++found;
    }
    is_wrong_[f] |= found != in_.atoms;
  }

  void fill_frame(int64_t frame, double value) const {
    const int64_t n = in_.atoms;
    if (out_.energy) out_.energy[frame] = value;
    if (out_.positions) std::fill_n(out_.positions + 3 * n * frame, 3 * n, value);
    for (double* each : {out_.charge, out_.sigma, out_.epsilon})
      if (each) std::fill_n(each + n * frame, n, value);
  }

  template <class Body>
  void each_cluster(int64_t task, Body&& body) const {
    const int64_t begin = task % atom_tasks_ * kClustersPerTask;
    const int64_t end = std::min(begin + kClustersPerTask, in_.clusters);
    for (int64_t c = begin; c < end; ++c) body(task / atom_tasks_, c);
  }

  const int32_t* order(int64_t f, int64_t cluster) const {
    return in_.order + 4 * (in_.clusters * (first_ + f) + cluster);
  }

  int64_t at(int64_t f, int64_t cluster) const { return f * in_.clusters + cluster; }

  // The record of a cluster, from its atoms.
  void gather(int64_t f, int64_t cluster) {
    uint8_t present = 0;
    float* record = records_.data() + kRecord<S> * at(f, cluster);
    std::fill_n(record, kRecord<S>, 0.0f);
    for (int a = 0; a < 4 && !is_wrong_[f]; ++a) {
      const int32_t atom = order(f, cluster)[a];
      if (atom < 0) continue;
      const bool good = gather_atom(first_ + f, atom, record + a);
      present = good && present != kWrong ? present | 1 << a : kWrong;
    }
    present_[at(f, cluster)] = present;
    spread_[at(f, cluster)] = static_cast<uint16_t>(spread(present));
  }

  // False where the numbers of the atom make no sense.
  bool gather_atom(int64_t frame, int64_t atom, float* at) const {
    const int64_t one = frame * in_.atoms + atom;
    double d[2] = {};
    for (int k = 0; k < 3; ++k) {
      const double x = in_.positions[3 * one + k];
      if (!std::isfinite(x / in_.box[3 * frame + k])) return false;
      for (int m = 0; m < kDirections; ++m)
        d[m] = along(m, frame, directions_[m].positions, 3 * one + k);
      typename RealOf<S>::type moved;
      set(moved, 0.0, d);
      float* next = store(at, moved);
      const uint32_t fixed = fixed_point(x, in_.box[3 * frame + k]);
      std::memcpy(at, &fixed, sizeof(fixed));
      at = next;
    }
    const auto number = [&](const double* values, const double* const* tangents) {
      for (int m = 0; m < kDirections; ++m) d[m] = along(m, frame, tangents[m], one);
      typename RealOf<S>::type x;
      set(x, values[one], d);
      return x;
    };
    const double *q[2], *s[2], *e[2];
    for (int m = 0; m < 2; ++m)
      q[m] = directions_[m].charge, s[m] = directions_[m].sigma, e[m] = directions_[m].epsilon;
    at = store(at, scaled(root_coulomb_, number(in_.charge, q)));
    at = store(at, scaled(0.5, number(in_.sigma, s)));
    const double epsilon = in_.epsilon[one];
    if (epsilon == 0) return true;  // No Lennard-Jones site: w and v stay zero, in all derivatives.
    if (!(epsilon > 0)) return false;
    const auto w = root(number(in_.epsilon, e));
    at = store(at, w);
    store(at, scaled(0.5, inverse(w)));
    return true;
  }

  static double scaled(double a, double x) { return a * x; }
  template <class T>
  static Dual<T> scaled(double a, const Dual<T>& x) {
    return {scaled(a, x.value), scaled(a, x.tangent)};
  }

  double along(int m, int64_t frame, const double* values, int64_t at) const {
    if (!values) return 0;
    const double factor = directions_[m].factor ? directions_[m].factor[frame] : 1;
    return directions_[m].sign * factor * values[at];
  }

  void sum(int64_t task) {
    const int64_t f = task / sum_tasks_, frame = first_ + f;
    if (is_wrong_[f]) return;
    const int64_t begin = task % sum_tasks_ * kTilesPerTask;
    const Tiles tiles{in_.list + 3 * (frame * in_.tiles + begin),
                      std::min(kTilesPerTask, in_.tiles - begin)};
    float unit[3];
    for (int k = 0; k < 3; ++k)
      unit[k] = static_cast<float>(in_.box[3 * frame + k] / 4294967296.0);
    const Clusters<S> clusters{in_.clusters,
                               records_.data() + kRecord<S> * at(f, 0),
                               present_.data() + at(f, 0),
                               spread_.data() + at(f, 0)};
    sums_[task] = std::make_unique<TaskSums<kParameters>>(in_.clusters);
    const float weight = weight_ ? static_cast<float>(weight_[frame]) : 0.0f;
    sum_tiles(clusters, tiles, unit, model_, weight, *sums_[task]);
  }

  // The results for the atoms of a cluster: sums of all tasks, in their order.
  void scatter(int64_t f, int64_t cluster) const {
    if (is_wrong_[f]) return;
    constexpr int n = 4 * TaskSums<kParameters>::kSums;
    double total[n] = {};
    for (int64_t k = 0; k < sum_tasks_; ++k) {
      if (const double* part = sums_[f * sum_tasks_ + k]->find(cluster))
        for (int i = 0; i < n; ++i) total[i] += part[i];
    }
    for (int a = 0; a < 4; ++a) {
      const int32_t atom = order(f, cluster)[a];
      if (atom < 0) continue;
      const int64_t one = (first_ + f) * in_.atoms + atom;
      const double* t = total + a;
      if (out_.positions) {
        double* x = out_.positions + 3 * one;
        for (int k = 0; k < 3; ++k) x[k] = out_.sign * t[4 * k];
      }
      if constexpr (kParameters) {
        if (out_.charge) out_.charge[one] = root_coulomb_ * t[4 * kSumU];
        if (out_.sigma) out_.sigma[one] = t[4 * kSumSigma];
        if (out_.epsilon) out_.epsilon[one] = t[4 * kSumEps];
      }
    }
  }

  const Frames& in_;
  const std::array<Direction, 2> directions_;
  const double* weight_;
  const Results out_;
  const Model model_;
  const double root_coulomb_;
  const int64_t together_, sum_tasks_, atom_tasks_;
  int64_t first_ = 0;
  std::vector<float> records_;
  std::vector<uint8_t> present_;
  std::vector<uint16_t> spread_;
  std::vector<uint8_t> is_wrong_;
  std::vector<std::unique_ptr<TaskSums<kParameters>>> sums_;
};

}  // namespace pairs

#endif  // PAIRS_EVALUATE_H_
