// The single particle model: mesh, groups of parameters, voltage, and the equations of the shells.
#ifndef SPM_MODEL_H_
#define SPM_MODEL_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "lanes.h"

namespace spm {

// n shells of the unit ball, thinner by `grading` at the surface: gradion.numerics.mesh.RadialMesh.
struct Mesh {
  int64_t n;
  std::vector<double> down, up;  // [n] face area / (distance of centroids * volume), below, above
  double outlet;                 // 1 / volume of the outermost shell: the surface has area 1
  // The surface value is a combination of the two outermost shells and of the slope there.
  double of_inner, of_outer, of_slope;

  Mesh(int64_t n, double grading) : n(n), down(n, 0.0), up(n, 0.0) {
    std::vector<double> faces(n + 1), centroid(n), volume(n);
    for (int64_t i = 0; i <= n; ++i) {
      const double s = double(i) / double(n), end = 1.0 / grading;
      faces[i] = s * (2.0 - end) + s * s * (end - 1.0);
    }
    const auto moment = [&](int64_t i, int power) {  // of shell i: the integral of r^(power - 1)
      return (std::pow(faces[i + 1], power) - std::pow(faces[i], power)) / power;
    };
    for (int64_t i = 0; i < n; ++i) {
      volume[i] = moment(i, 3);
      centroid[i] = moment(i, 4) / volume[i];
    }
    for (int64_t i = 0; i + 1 < n; ++i) {
      const double conductance = faces[i + 1] * faces[i + 1] / (centroid[i + 1] - centroid[i]);
      up[i] = conductance / volume[i];
      down[i + 1] = conductance / volume[i + 1];
    }
    outlet = 1.0 / volume[n - 1];
    // Means of the depth 1 - r and of its square in the two outermost shells.
    const double r_a = centroid[n - 2], r_b = centroid[n - 1];
    const double a = 1.0 - r_a, b = 1.0 - r_b;
    const double a2 = 1.0 - 2.0 * r_a + moment(n - 2, 5) / volume[n - 2];
    const double b2 = 1.0 - 2.0 * r_b + moment(n - 1, 5) / volume[n - 1];
    of_inner = -b2 / (a2 - b2);
    of_outer = 1.0 - of_inner;
    of_slope = b + of_inner * (a - b);
  }
};

// What the parameters of a cell come down to, in the order in which they lie in `theta`; two
// numbers are those of the negative and the positive electrode.
struct Groups {
  static constexpr int64_t kSize = 41;
  // The places of the first ones are the lanes of an Eight; the integration depends on no others.
  static constexpr int64_t kDirections = 8;
  static constexpr int64_t kPolarisation = 8, kOffset = 10, kLinear = 12, kAmplitude = 14,
                           kSteepness = 22, kCentre = 30, kThermal = 38, kDrop = 39, kCutoff = 40;

  Pair diffusion;  // D_s / R_p^2 of the empty particle [1/s]
  Pair exponent;   // D_s grows as exp(exponent x)
  Pair outflow;    // j / (F c_max R_p) [1/s]
  Pair initial;    // x at the start
  Pair polarisation;                   // j / 2 j0 where x (1 - x) is one
  Pair offset, linear;                 // U = offset + linear x [V]
  Eight amplitude, steepness, centre;  // + a exp(-b (x - c)) + sum of three d tanh(e (x - f)) [V]
  double thermal;                      // 2 R T / F [V]
  double drop;                         // I R_contact [V]
  double cutoff;                       // [V]

  explicit Groups(const double* theta)
      : diffusion(read<Pair>(theta)),
        exponent(read<Pair>(theta + 2)),
        outflow(read<Pair>(theta + 4)),
        initial(read<Pair>(theta + 6)),
        polarisation(read<Pair>(theta + kPolarisation)),
        offset(read<Pair>(theta + kOffset)),
        linear(read<Pair>(theta + kLinear)),
        amplitude(read<Eight>(theta + kAmplitude)),
        steepness(read<Eight>(theta + kSteepness)),
        centre(read<Eight>(theta + kCentre)),
        thermal(theta[kThermal]),
        drop(theta[kDrop]),
        cutoff(theta[kCutoff]) {}

  bool constant_diffusion() const { return exponent[0] == 0.0 && exponent[1] == 0.0; }

  // D_s(x) over that of the empty particle.
  Pair growth(Pair x) const {
    return constant_diffusion() ? Pair{1.0, 1.0} : exponential(exponent * x);
  }
};

// The voltage at one instant, and its derivatives.
struct Voltage {
  double value;           // [V]
  Pair x;                 // stoichiometries at the surfaces
  Pair d_inner, d_outer;  // by the two outermost shells; set if asked for, as is what follows
  double d_theta[Groups::kSize];

  bool in_range() const { return x[0] >= 0.0 && x[0] <= 1.0 && x[1] >= 0.0 && x[1] <= 1.0; }
};

constexpr double kSlopeOutside = -20.0;  // [V] dU/dx where no material is: gradion.cell.physics
constexpr double kEmpty = 1e-6;          // the exchange current of an empty surface is that of this

// V = sum over the electrodes of s (U(x) + 2 R T / F asinh(j / 2 j0(x))) - I R_contact, s = -1, 1.
template <bool kDerivatives>
Voltage voltage(const Mesh& mesh, const Groups& g, Pair inner, Pair outer) {
  Voltage out;
  const Pair one = {1.0, 1.0}, zero = {0.0, 0.0}, sign = {-1.0, 1.0};
  const Pair slope_per_outflow = -1.0 / (g.diffusion * g.growth(outer));
  const Pair slope = g.outflow * slope_per_outflow;
  const Pair x = mesh.of_inner * inner + mesh.of_outer * outer + mesh.of_slope * slope;
  out.x = x;

  // Open circuit: an exponential and three tanh for each electrode.
  Pair inside = x < 0.0 ? zero : x;
  inside = inside > 1.0 ? one : inside;
  const Eight z = each([&](int i) { return g.steepness.of[i] * (inside - g.centre.of[i]); });
  const Eight term = each([&](int i) {
    // tanh z = 1 - 2 / (exp(2 z) + 1) has no relative accuracy at 0, but an absolute one.
    return i == 0 ? exponential(-z.of[0]) : 1.0 - 2.0 / (exponential(2.0 * z.of[i]) + 1.0);
  });
  const Pair U = g.offset + g.linear * inside + sum_of_four(g.amplitude * term) +
                 kSlopeOutside * (x - inside);

  // asinh(b / sqrt(w)) = sign(b) ln((|b| + sqrt(b^2 + w))^2 / w) / 2, w = y (1 - y).
  Pair y = x < kEmpty ? zero + kEmpty : x;
  y = y > 1.0 - kEmpty ? one - kEmpty : y;
  const Pair b = g.polarisation, w = y * (1.0 - y), squared = b * b + w;
  const Pair root = {std::sqrt(squared[0]), std::sqrt(squared[1])};
  const Pair reach = (b < 0.0 ? -b : b) + root, ratio = reach * reach / w;
  Pair asinh_b = {0.5 * std::log(ratio[0]), 0.5 * std::log(ratio[1])};
  asinh_b = b < 0.0 ? -asinh_b : asinh_b;
  out.value = sum(sign * (U + g.thermal * asinh_b)) - g.drop;
  if (!kDerivatives) return out;

  const Eight d_term = each([&](int i) {
    return i == 0 ? -term.of[0] : 1.0 - term.of[i] * term.of[i];
  });
  Pair dU = g.linear + sum_of_four(g.amplitude * g.steepness * d_term);
  dU = inside == x ? dU : zero + kSlopeOutside;
  Pair d_asinh = -0.5 * b * (1.0 - 2.0 * y) / (w * root);
  d_asinh = y == x ? d_asinh : zero;
  const Pair d_x = sign * (dU + g.thermal * d_asinh);
  const Pair d_slope = d_x * mesh.of_slope;
  out.d_inner = d_x * mesh.of_inner;
  out.d_outer = d_x * mesh.of_outer - d_slope * slope * g.exponent;

  double* d = out.d_theta;
  const auto put = [d](int64_t place, const auto& v) { std::memcpy(d + place, &v, sizeof v); };
  put(0, -d_slope * slope / g.diffusion);
  put(2, -d_slope * slope * outer);
  put(4, d_slope * slope_per_outflow);
  put(6, zero);
  put(Groups::kPolarisation, sign * g.thermal / root);
  put(Groups::kOffset, sign);
  put(Groups::kLinear, sign * inside);
  const Eight d_z = sign * (g.amplitude * d_term);
  put(Groups::kAmplitude, sign * term);
  put(Groups::kSteepness, each([&](int i) { return d_z.of[i] * (inside - g.centre.of[i]); }));
  put(Groups::kCentre, -1.0 * (d_z * g.steepness));
  d[Groups::kThermal] = sum(sign * asinh_b);
  d[Groups::kDrop] = -1.0;
  d[Groups::kCutoff] = 0.0;
  return out;
}

// dx/dt = f(x) of the shells of both particles, its Jacobian, and its derivative by the groups.
//
// With phi = exp(exponent x) grad x between two shells, f = diffusion (up phi_above - down
// phi_below), less outflow outlet in the outermost shell.
class Particles {
 public:
  Particles(const Mesh& mesh, const Groups& groups)
      : mesh_(mesh), g_(groups), up_(mesh.n), down_(mesh.n) {
    for (int64_t i = 0; i < mesh.n; ++i) {
      up_[i] = groups.diffusion * mesh.up[i];
      down_[i] = groups.diffusion * mesh.down[i];
    }
  }

  // Whether f is linear in x: then one factorisation serves a step, and Newton needs one iteration.
  bool is_linear() const { return g_.constant_diffusion(); }

  void rate(const Pair* x, Pair* f) const {
    const int64_t last = mesh_.n - 1;
    Pair below = {}, lower = g_.growth(x[0]);
    for (int64_t i = 0; i < last; ++i) {
      const Pair upper = g_.growth(x[i + 1]);
      const Pair above = 0.5 * (lower + upper) * (x[i + 1] - x[i]);
      f[i] = up_[i] * above - down_[i] * below;
      below = above;
      lower = upper;
    }
    f[last] = -down_[last] * below - g_.outflow * mesh_.outlet;
  }

  // The nonzeros of I - s df/dx: [n] on the diagonal, [n - 1] below and above it.
  void matrix(const Pair* x, double s, Pair* below, Pair* diagonal, Pair* above) const {
    const int64_t n = mesh_.n;
    Pair lower = g_.growth(x[0]);
    for (int64_t i = 0; i < n; ++i) diagonal[i] = Pair{1.0, 1.0};
    for (int64_t i = 0; i + 1 < n; ++i) {
      const Pair upper = g_.growth(x[i + 1]);
      const Pair mean = 0.5 * (lower + upper), step = 0.5 * g_.exponent * (x[i + 1] - x[i]);
      const Pair d_lower = step * lower - mean, d_upper = step * upper + mean;  // of phi
      diagonal[i] -= s * up_[i] * d_lower;
      above[i] = -s * up_[i] * d_upper;
      below[i] = s * down_[i + 1] * d_lower;
      diagonal[i + 1] += s * down_[i + 1] * d_upper;
      lower = upper;
    }
  }

  // Calls body(i, phi, dphi/dexponent) for the faces between shells i and i + 1.
  template <class Body>
  void faces(const Pair* x, Body&& body) const {
    Pair lower = g_.growth(x[0]);
    for (int64_t i = 0; i + 1 < mesh_.n; ++i) {
      const Pair upper = g_.growth(x[i + 1]);
      const Pair grad = x[i + 1] - x[i];
      body(i, 0.5 * (lower + upper) * grad, 0.5 * (lower * x[i] + upper * x[i + 1]) * grad);
      lower = upper;
    }
  }

  // df/dtheta [n] at x, for the four directions of each particle.
  void by_groups(const Pair* x, Eight* out) const {
    const int64_t n = mesh_.n;
    const Pair none = {};
    for (int64_t i = 0; i < n; ++i) out[i] = Eight{};
    faces(x, [&](int64_t i, Pair phi, Pair d_phi) {
      const Eight flow = {{phi, g_.diffusion * d_phi, none, none}};
      out[i] += mesh_.up[i] * flow;
      out[i + 1] -= mesh_.down[i + 1] * flow;
    });
    out[n - 1].of[2] -= mesh_.outlet;
  }

  // The same transposed: (df/dtheta)^T w.
  Eight by_groups_transposed(const Pair* x, const Pair* w) const {
    Pair by_diffusion = {}, by_exponent = {};
    faces(x, [&](int64_t i, Pair phi, Pair d_phi) {
      const Pair drop = mesh_.up[i] * w[i] - mesh_.down[i + 1] * w[i + 1];
      by_diffusion += drop * phi;
      by_exponent += drop * d_phi;
    });
    return {{by_diffusion, g_.diffusion * by_exponent, -mesh_.outlet * w[mesh_.n - 1], Pair{}}};
  }

 private:
  const Mesh& mesh_;
  const Groups& g_;
  std::vector<Pair> up_, down_;  // times diffusion
};

}  // namespace spm

#endif  // SPM_MODEL_H_
