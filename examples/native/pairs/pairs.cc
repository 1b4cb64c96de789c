// Handlers of the operator `pairs`: energy and forces, and their derivatives of both orders.
//
// Every buffer has an axis of frames in front. With g the gradient of the energy E in
// z = (positions, charge, sigma, epsilon), H its Hessian and T its third derivative:
//
//   E, F = -g_x                                     one pass over plain numbers
//   jvp:  g . t, -(H t)_x                           one pass over duals
//   vjp:  w_E g - H w_F                             no pass where w_F is zero, else one over duals
//   second: the same with one derivative more, T from a pass over duals of duals
#include "evaluate.h"
#include "guarded.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

using Index3 = ffi::Buffer<ffi::S32, 3>;
template <size_t rank>
using In = ffi::Buffer<ffi::F64, rank>;
template <size_t rank>
using Out = ffi::Result<ffi::Buffer<ffi::F64, rank>>;

namespace {

using pairs::Direction;
using pairs::Dual;
using pairs::Frames;
using pairs::Lanes;
using pairs::Results;

// The inputs: attributes and buffers, as every handler gets them.
#define PAIRS_POINT                                                                              \
  double alpha, double coulomb, double cutoff, In<3> positions, In<2> charge, In<2> sigma,       \
      In<2> epsilon, In<2> box, Index3 order, Index3 tiles
#define PAIRS_FRAMES \
  frames(alpha, coulomb, cutoff, positions, charge, sigma, epsilon, box, order, tiles)
// What the pass over plain numbers has written: the gradient of E, with the sign of forces in x.
#define PAIRS_RESIDUALS \
  [[maybe_unused]] In<3> forces, [[maybe_unused]] In<2> dcharge, [[maybe_unused]] In<2> dsigma, \
      [[maybe_unused]] In<2> depsilon

Frames frames(PAIRS_POINT) {
  if (!(cutoff > 0) || !(alpha >= 0) || !(alpha * cutoff <= 9) || !(coulomb >= 0))
    throw std::invalid_argument("cutoff is " + std::to_string(cutoff) + ", alpha " +
                                std::to_string(alpha) + ", coulomb " + std::to_string(coulomb) +
                                "; expected cutoff > 0, 0 <= alpha <= 9 / cutoff, coulomb >= 0");
  const auto shape = positions.dimensions();
  if (shape[2] != 3 || box.dimensions()[1] != 3 || order.dimensions()[2] != 4 ||
      tiles.dimensions()[2] != 3)
    throw std::invalid_argument("expected positions [n, 3], box [3], order [c, 4], tiles [m, 3]");
  return {shape[0],
          shape[1],
          order.dimensions()[1],
          tiles.dimensions()[1],
          positions.typed_data(),
          charge.typed_data(),
          sigma.typed_data(),
          epsilon.typed_data(),
          box.typed_data(),
          order.typed_data(),
          tiles.typed_data(),
          cutoff,
          alpha,
          coulomb};
}

// Passes over duals always sum the parameters too, so that there are two variants fewer to compile.
template <class S, bool kParameters>
void evaluate(ffi::ThreadPool& pool, const Frames& in, const Results& out,
              const std::array<Direction, 2>& directions = {}, const double* weight = nullptr) {
  pairs::Evaluation<S, kParameters>(in, directions, weight, out).run(pool);
}

bool all_zero(const double* values, int64_t count) {
  return std::all_of(values, values + count, [](double x) { return x == 0; });
}

ffi::Error forward(ffi::ThreadPool pool, PAIRS_POINT, Out<1> energy, Out<3> forces) {
  return pairs::guarded("pairs", [&] {
    const Results out{energy->typed_data(), forces->typed_data(), nullptr, nullptr, nullptr, -1};
    evaluate<Lanes, false>(pool, PAIRS_FRAMES, out);
  });
}

ffi::Error saving(ffi::ThreadPool pool, PAIRS_POINT, Out<1> energy, Out<3> forces,
                  Out<2> dcharge, Out<2> dsigma, Out<2> depsilon) {
  return pairs::guarded("pairs", [&] {
    const Results out{energy->typed_data(),  forces->typed_data(),   dcharge->typed_data(),
                      dsigma->typed_data(), depsilon->typed_data(), -1};
    evaluate<Lanes, true>(pool, PAIRS_FRAMES, out);
  });
}

// The sums of tangents: dE and -(H t)_x.
ffi::Error jvp(ffi::ThreadPool pool, PAIRS_POINT, PAIRS_RESIDUALS, In<3> t_positions,
               In<2> t_charge, In<2> t_sigma, In<2> t_epsilon, Out<1> t_energy,
               Out<3> t_forces) {
  return pairs::guarded("pairs", [&] {
    const Direction t{t_positions.typed_data(), t_charge.typed_data(), t_sigma.typed_data(),
                      t_epsilon.typed_data()};
    const Results out{t_energy->typed_data(), t_forces->typed_data(), nullptr, nullptr, nullptr,
                      -1};
    evaluate<Dual<Lanes>, true>(pool, PAIRS_FRAMES, out, {t, {}});
  });
}

// The gradient of w_E E + w_F . F = w_E g - H w_F.
ffi::Error vjp(ffi::ThreadPool pool, PAIRS_POINT, PAIRS_RESIDUALS, In<1> w_energy, In<3> w_forces,
               Out<3> positions_, Out<2> charge_, Out<2> sigma_, Out<2> epsilon_) {
  return pairs::guarded("pairs", [&] {
    const double* w = w_energy.typed_data();
    if (all_zero(w_forces.typed_data(), w_forces.element_count())) {
      const auto scale = [w](double sign, const auto& from, auto& to) {
        const int64_t frames = from.dimensions()[0];
        const int64_t each = frames ? from.element_count() / frames : 0;
        for (int64_t i = 0; i < frames * each; ++i)
          to->typed_data()[i] = sign * w[i / each] * from.typed_data()[i];
      };
      scale(-1, forces, positions_);
      scale(1, dcharge, charge_);
      scale(1, dsigma, sigma_);
      scale(1, depsilon, epsilon_);
      return;
    }
    const Direction minus_w{w_forces.typed_data(), nullptr, nullptr, nullptr, nullptr, -1};
    const Results out{nullptr, positions_->typed_data(), charge_->typed_data(),
                      sigma_->typed_data(), epsilon_->typed_data()};
    evaluate<Dual<Lanes>, true>(pool, PAIRS_FRAMES, out, {minus_w, {}}, w);
  });
}

// The second derivative of E and F along t and s.
ffi::Error second_jvp(ffi::ThreadPool pool, PAIRS_POINT, PAIRS_RESIDUALS, In<3> t_positions,
                      In<2> t_charge, In<2> t_sigma, In<2> t_epsilon, In<3> s_positions,
                      In<2> s_charge, In<2> s_sigma, In<2> s_epsilon, Out<1> energy,
                      Out<3> forces_) {
  return pairs::guarded("pairs", [&] {
    const Direction t{t_positions.typed_data(), t_charge.typed_data(), t_sigma.typed_data(),
                      t_epsilon.typed_data()};
    const Direction s{s_positions.typed_data(), s_charge.typed_data(), s_sigma.typed_data(),
                      s_epsilon.typed_data()};
    const Results out{energy->typed_data(), forces_->typed_data(), nullptr, nullptr, nullptr, -1};
    evaluate<Dual<Dual<Lanes>>, true>(pool, PAIRS_FRAMES, out, {s, t});
  });
}

// The derivative along t of what vjp gives: w_E H t - T[t, w_F].
ffi::Error second_vjp(ffi::ThreadPool pool, PAIRS_POINT, PAIRS_RESIDUALS, In<3> t_positions,
                      In<2> t_charge, In<2> t_sigma, In<2> t_epsilon, In<1> w_energy,
                      In<3> w_forces, Out<3> positions_, Out<2> charge_, Out<2> sigma_,
                      Out<2> epsilon_) {
  return pairs::guarded("pairs", [&] {
    Direction t{t_positions.typed_data(), t_charge.typed_data(), t_sigma.typed_data(),
                t_epsilon.typed_data()};
    const Results out{nullptr, positions_->typed_data(), charge_->typed_data(),
                      sigma_->typed_data(), epsilon_->typed_data()};
    if (all_zero(w_forces.typed_data(), w_forces.element_count())) {
      // H (w_E t)
      t.factor = w_energy.typed_data();
      evaluate<Dual<Lanes>, true>(pool, PAIRS_FRAMES, out, {t, {}});
      return;
    }
    const Direction minus_w{w_forces.typed_data(), nullptr, nullptr, nullptr, nullptr, -1};
    evaluate<Dual<Dual<Lanes>>, true>(pool, PAIRS_FRAMES, out, {minus_w, t},
                                      w_energy.typed_data());
  });
}

}  // namespace

#define PAIRS_BIND                                                                            \
  ffi::Ffi::Bind()                                                                            \
      .Ctx<ffi::ThreadPool>()                                                                 \
      .Attr<double>("alpha")                                                                  \
      .Attr<double>("coulomb")                                                                \
      .Attr<double>("cutoff")                                                                 \
      .Arg<In<3>>().Arg<In<2>>().Arg<In<2>>().Arg<In<2>>().Arg<In<2>>().Arg<Index3>().Arg<Index3>()
#define PAIRS_ARGS .Arg<In<3>>().Arg<In<2>>().Arg<In<2>>().Arg<In<2>>()
#define PAIRS_COTANGENTS .Arg<In<1>>().Arg<In<3>>()
#define PAIRS_VALUE .Ret<In<1>>().Ret<In<3>>()
#define PAIRS_GRADIENT .Ret<In<3>>().Ret<In<2>>().Ret<In<2>>().Ret<In<2>>()

XLA_FFI_DEFINE_HANDLER_SYMBOL(PairsForward, forward, PAIRS_BIND PAIRS_VALUE);
XLA_FFI_DEFINE_HANDLER_SYMBOL(PairsSaving, saving,
                              PAIRS_BIND PAIRS_VALUE.Ret<In<2>>().Ret<In<2>>().Ret<In<2>>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(PairsJvp, jvp, PAIRS_BIND PAIRS_ARGS PAIRS_ARGS PAIRS_VALUE);
XLA_FFI_DEFINE_HANDLER_SYMBOL(PairsVjp, vjp,
                              PAIRS_BIND PAIRS_ARGS PAIRS_COTANGENTS PAIRS_GRADIENT);
XLA_FFI_DEFINE_HANDLER_SYMBOL(PairsSecondJvp, second_jvp,
                              PAIRS_BIND PAIRS_ARGS PAIRS_ARGS PAIRS_ARGS PAIRS_VALUE);
XLA_FFI_DEFINE_HANDLER_SYMBOL(PairsSecondVjp, second_vjp,
                              PAIRS_BIND PAIRS_ARGS PAIRS_ARGS PAIRS_COTANGENTS PAIRS_GRADIENT);
