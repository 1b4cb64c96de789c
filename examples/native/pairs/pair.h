// The energy of a pair and its gradient, for numbers S of lanes.h or duals of them.
//
//   U = qq erfc(alpha r) / r + 4 eps ((sigma / r)^12 - (sigma / r)^6)     r < cutoff, else 0
//   qq = k q_i q_j,  sigma = (sigma_i + sigma_j) / 2,  eps = sqrt(eps_i eps_j)
//
// The kernel works in u = sqrt(k) q, s = sigma / 2 and w = sqrt(eps), in which U is a polynomial
// but for three functions of r^2. These are closed under differentiation, so that nothing else is
// needed for derivatives of any order.
#ifndef PAIRS_PAIR_H_
#define PAIRS_PAIR_H_

#include "dual.h"
#include "lanes.h"

namespace pairs {

// What all pairs share.
struct Model {
  Model(double cutoff, double alpha)
      : cutoff2(static_cast<float>(cutoff * cutoff)),
        alpha(static_cast<float>(alpha)),
        alpha2(static_cast<float>(alpha * alpha)),
        exponent(static_cast<float>(-alpha * alpha / std::log(2.0))),
        slope(static_cast<float>(2 * alpha / std::sqrt(std::acos(-1.0)))),
        map(static_cast<float>(alpha > 0 ? 2 / (alpha * cutoff) : 0)),
        scaled_erfc(interpolate<12>([=](double s) {
          const double x = 0.5 * alpha * cutoff * (s + 1);
          return std::exp(x * x) * std::erfc(x);
        })) {}

  float cutoff2, alpha, alpha2, exponent, slope, map;
  // exp(x^2) erfc(x) over 0 <= x <= alpha * cutoff, at s = map x - 1.
  Polynomial<12> scaled_erfc;
  Exp2 exp2;
};

// 1 / r^2, phi = erfc(alpha r) / r and g = 2 alpha / sqrt(pi) exp(-alpha^2 r^2).
template <class S>
struct Radial {
  S inverse2, phi, g;
};

// inside: -1 in the lanes of pairs that count. In the others 1 / r^2 and phi are zero, with all
// their derivatives, and so is then all that a pair adds anywhere.
PAIRS_INLINE Radial<Lanes> radial(const Lanes& r2, const Ints& inside, const Model& model) {
  const Lanes zero = {};
  const Lanes inverse = inside ? inverse_root(r2) : zero;
  // Nothing beyond the cutoff: there exp2 would leave its range.
  const Lanes near2 = inside ? r2 : zero;
  const Lanes s = (model.map * model.alpha) * (near2 * inverse) - 1.0f;
  const Lanes gauss = model.exp2(model.exponent * near2);
  return {inverse * inverse, inverse * gauss * model.scaled_erfc(s), model.slope * gauss};
}

template <class T>
PAIRS_INLINE Radial<Dual<T>> radial(const Dual<T>& r2, const Ints& inside, const Model& model) {
  const Radial<T> at = radial(r2.value, inside, model);
  const T& d = r2.tangent;
  // d phi / d r^2 = -(phi + g) / (2 r^2), d g / d r^2 = -alpha^2 g
  return {{at.inverse2, -1.0f * (at.inverse2 * at.inverse2 * d)},
          {at.phi, -0.5f * ((at.phi + at.g) * at.inverse2 * d)},
          {at.g, -model.alpha2 * (at.g * d)}};
}

// An atom: position, sqrt(k) q, sigma / 2, sqrt(eps), and 1 / (2 sqrt(eps)) or 0 where eps is 0.
template <class S>
struct Atom {
  S x, y, z, u, s, w, v;
};

// x_i - x_j to the nearest image. The values of x are the bits of fixed-point numbers.
PAIRS_INLINE Lanes separation(const Lanes& i, const Lanes& j, float unit) {
  return nearest_image(bit_cast<Bits>(i), bit_cast<Bits>(j), unit);
}
template <class T>
PAIRS_INLINE Dual<T> separation(const Dual<T>& i, const Dual<T>& j, float unit) {
  return {separation(i.value, j.value, unit), i.tangent - j.tangent};
}

// What a pair adds: to the energy; dU/dx_j = -dU/dx_i; dU/du, dU/dsigma and dU/deps of both.
template <class S>
struct PairTerms {
  S energy, x, y, z, u_i, u_j, sigma, eps_i, eps_j;
};

PAIRS_INLINE const Lanes& value_of(const Lanes& x) { return x; }
template <class T>
PAIRS_INLINE const Lanes& value_of(const Dual<T>& x) {
  return value_of(x.value);
}

// x_i - x_j and its square, with all derivatives.
template <class S>
struct Separation {
  // unit: the box edges divided by 2^32.
  PAIRS_INLINE Separation(const Atom<S>& i, const Atom<S>& j, const float* unit)
      : x(separation(i.x, j.x, unit[0])),
        y(separation(i.y, j.y, unit[1])),
        z(separation(i.z, j.z, unit[2])),
        r2(x * x + y * y + z * z) {}

  PAIRS_INLINE Ints within(float cutoff2) const { return value_of(r2) < cutoff2; }

  S x, y, z, r2;
};

// inside: -1 in the lanes of pairs that are listed and within the cutoff, else 0.
template <class S>
PAIRS_INLINE PairTerms<S> pair_terms(const Atom<S>& i, const Atom<S>& j, const Separation<S>& d,
                                     const Model& model, const Ints& inside) {
  const Radial<S> at = radial(d.r2, inside, model);
  const S qq = i.u * j.u, ww = i.w * j.w, sigma = i.s + j.s;
  const S rho = sigma * at.inverse2;
  const S square = sigma * rho;                        // (sigma / r)^2
  const S fifth = 4.0f * (rho * (square * square));    // 4 sigma^5 / r^6
  const S attraction = fifth * sigma;                  // 4 (sigma / r)^6
  const S repulsion = 0.25f * (attraction * attraction);
  const S lj = repulsion - attraction;                 // U_LJ / eps
  const S bent = 6.0f * (lj + repulsion);              // -r dU_LJ/dr / eps
  // dU/dx_j = f (x_i - x_j)
  const S f = (qq * (at.phi + at.g) + ww * bent) * at.inverse2;
  PairTerms<S> out;
  out.energy = qq * at.phi + ww * lj;
  out.x = f * d.x, out.y = f * d.y, out.z = f * d.z;
  out.u_i = j.u * at.phi, out.u_j = i.u * at.phi;
  // dU/dsigma = 24 eps sigma^5 / r^6 (2 (sigma / r)^6 - 1): no division by sigma, which may be 0.
  // Half of it for each atom.
  const S twice = 0.5f * attraction;                   // 2 (sigma / r)^6
  out.sigma = 3.0f * (ww * (fifth * twice - fifth));
  out.eps_i = lj * (j.w * i.v), out.eps_j = lj * (i.w * j.v);
  return out;
}

}  // namespace pairs

#endif  // PAIRS_PAIR_H_
