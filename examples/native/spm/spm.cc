// A single particle model behind one call: value, jvp with many tangents, and vjp, each over a batch.
//
// Nothing of variable length crosses XLA. A call integrates with as many steps as it needs; the
// derivatives integrate again and keep their steps in memory of their own.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "gradion/parallel.h"
#include "observers.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

using spm::Groups;
using spm::Integrator;
using spm::Mesh;
using spm::Settings;
using spm::Status;

using Numbers = ffi::Buffer<ffi::F64, 1>;  // [batch]
using Rows = ffi::Buffer<ffi::F64, 2>;     // [batch, size]
using Tables = ffi::Buffer<ffi::F64, 3>;   // [batch, directions, size]
using Counts = ffi::Buffer<ffi::S32, 1>;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

ffi::Error invalid(const std::string& what) {
  return ffi::Error::InvalidArgument("spm: " + what);
}

using Shape = std::vector<int64_t>;

std::string text(const Shape& shape) {
  std::string out;
  for (int64_t size : shape) out += (out.empty() ? "[" : ", ") + std::to_string(size);
  return out + "]";
}

template <class Buffer>
ffi::Error check_shape(const char* name, const Buffer& buffer, const Shape& expected) {
  const Shape got(buffer.dimensions().begin(), buffer.dimensions().end());
  if (got == expected) return ffi::Error::Success();
  return invalid(std::string(name) + " has shape " + text(got) + "; expected " + text(expected));
}

ffi::Error check_settings(const Settings& s) {
  if (s.n_shells < 3 || s.n_shells > 10000)
    return invalid("n_shells is " + std::to_string(s.n_shells) + "; expected 3 to 10000");
  if (!(s.grading >= 1.0 && s.grading <= 20.0))
    return invalid("grading is " + std::to_string(s.grading) + "; expected 1 to 20");
  if (!(s.rtol >= 1e-13 && s.rtol < 1.0))
    return invalid("rtol is " + std::to_string(s.rtol) + "; expected 1e-13 to 1");
  if (!(s.atol > 0.0)) return invalid("atol is not positive");
  if (!(s.step >= 0.0)) return invalid("step is negative; 0 lets the error choose it");
  if (s.max_steps < 1 || s.max_steps > 1000000)
    return invalid("max_steps is " + std::to_string(s.max_steps) + "; expected 1 to 1000000");
  return ffi::Error::Success();
}

ffi::Error check(const Settings& settings, const Rows& theta, const Rows& times) {
  const int64_t batch = theta.dimensions()[0], n_times = times.dimensions()[1];
  if (auto error = check_settings(settings); error.failure()) return error;
  if (auto error = check_shape("theta", theta, {batch, Groups::kSize}); error.failure())
    return error;
  return check_shape("times", times, {batch, n_times});
}

// One example of the batch.
struct Example {
  Groups groups;
  const double* times;
  int64_t n_times;
  double t_end;

  Example(Rows theta, Rows all_times, int64_t b)
      : groups(theta.typed_data() + b * Groups::kSize),
        times(all_times.typed_data() + b * all_times.dimensions()[1]),
        n_times(all_times.dimensions()[1]),
        t_end(n_times == 0 ? 0.0 : times[n_times - 1]) {}

  // A status and not an error of the call: where a program computes both sides of a choice, as it
  // does under vmap, the side that is thrown away may hold any numbers.
  bool has_good_times() const {
    bool good = n_times == 0 || t_end > 0.0;
    for (int64_t i = 0; i < n_times; ++i)
      good = good && std::isfinite(times[i]) && times[i] >= (i == 0 ? 0.0 : times[i - 1]);
    return good;
  }

  template <class Observer>
  Status run(Integrator& integrator, Observer& observer) const {
    return has_good_times() ? integrator.run(t_end, observer) : Status::kBadTimes;
  }
};

ffi::Error Forward(ffi::ThreadPool pool, Settings settings, Rows theta, Rows times,
                   ffi::Result<Rows> voltage, ffi::Result<Numbers> t_end,
                   ffi::Result<Counts> status, ffi::Result<Counts> steps) {
  if (auto error = check(settings, theta, times); error.failure()) return error;
  const Mesh mesh(settings.n_shells, settings.grading);
  gradion::parallel_for(pool, theta.dimensions()[0], [&](int64_t b) {
    const Example e(theta, times, b);
    double* out = voltage->typed_data() + b * e.n_times;
    Integrator integrator(mesh, e.groups, settings);
    spm::Values values(mesh, e.groups, e.times, e.n_times, out);
    const Status how = e.run(integrator, values);
    const bool good = succeeded(how);
    if (!good) std::fill_n(out, e.n_times, kNaN);
    t_end->typed_data()[b] = !good ? kNaN : how == Status::kCutOff ? integrator.t() + integrator.h() : e.t_end;
    status->typed_data()[b] = static_cast<int32_t>(how);
    steps->typed_data()[b] = static_cast<int32_t>(integrator.steps());
  });
  return ffi::Error::Success();
}

ffi::Error Jvp(ffi::ThreadPool pool, Settings settings, Rows theta, Rows times, Tables dtheta,
               Tables dtimes, ffi::Result<Tables> d_voltage, ffi::Result<Rows> d_t_end) {
  if (auto error = check(settings, theta, times); error.failure()) return error;
  const Mesh mesh(settings.n_shells, settings.grading);
  const int64_t batch = theta.dimensions()[0], directions = dtheta.dimensions()[1];
  const Shape theta_shape = {batch, directions, Groups::kSize};
  const Shape times_shape = {batch, directions, times.dimensions()[1]};
  if (auto error = check_shape("dtheta", dtheta, theta_shape); error.failure()) return error;
  if (auto error = check_shape("dtimes", dtimes, times_shape); error.failure()) return error;
  gradion::parallel_for(pool, theta.dimensions()[0], [&](int64_t b) {
    const Example e(theta, times, b);
    Integrator integrator(mesh, e.groups, settings);
    spm::Jacobian jacobian(mesh, e.groups, e.times, e.n_times);
    const bool good = succeeded(e.run(integrator, jacobian));
    for (int64_t d = b * directions; d < (b + 1) * directions; ++d) {
      double* out = d_voltage->typed_data() + d * e.n_times;
      double* out_end = d_t_end->typed_data() + d;
      if (good) {
        jacobian.apply(dtheta.typed_data() + d * Groups::kSize, dtimes.typed_data() + d * e.n_times,
                       out, out_end);
      } else {
        std::fill_n(out, e.n_times, kNaN);
        *out_end = kNaN;
      }
    }
  });
  return ffi::Error::Success();
}

ffi::Error Vjp(ffi::ThreadPool pool, Settings settings, Rows theta, Rows times, Tables w_voltage,
               Rows w_t_end, ffi::Result<Tables> w_theta, ffi::Result<Tables> w_times) {
  if (auto error = check(settings, theta, times); error.failure()) return error;
  const Mesh mesh(settings.n_shells, settings.grading);
  const int64_t batch = theta.dimensions()[0], directions = w_voltage.dimensions()[1];
  const Shape voltage_shape = {batch, directions, times.dimensions()[1]};
  if (auto error = check_shape("w_voltage", w_voltage, voltage_shape); error.failure())
    return error;
  if (auto error = check_shape("w_t_end", w_t_end, {batch, directions}); error.failure())
    return error;
  // A task is one direction of one example: in reverse mode there is mostly one.
  gradion::parallel_for(pool, batch * directions, [&](int64_t d) {
    const Example e(theta, times, d / directions);
    double* out = w_theta->typed_data() + d * Groups::kSize;
    double* out_times = w_times->typed_data() + d * e.n_times;
    Integrator integrator(mesh, e.groups, settings);
    spm::Adjoint adjoint(mesh, e.groups, e.times, e.n_times,
                         w_voltage.typed_data() + d * e.n_times, w_t_end.typed_data()[d], out,
                         out_times);
    if (succeeded(e.run(integrator, adjoint))) {
      adjoint.backwards(integrator);
    } else {
      std::fill_n(out, Groups::kSize, kNaN);
      std::fill_n(out_times, e.n_times, kNaN);
    }
  });
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_REGISTER_STRUCT_ATTR_DECODING(
    Settings, xla::ffi::StructMember<int64_t>("n_shells"),
    xla::ffi::StructMember<double>("grading"), xla::ffi::StructMember<double>("rtol"),
    xla::ffi::StructMember<double>("atol"), xla::ffi::StructMember<double>("step"),
    xla::ffi::StructMember<int64_t>("max_steps"));

#define POINT Ctx<ffi::ThreadPool>().Attrs<Settings>().Arg<Rows>().Arg<Rows>()
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    Spm, Forward,
    ffi::Ffi::Bind().POINT.Ret<Rows>().Ret<Numbers>().Ret<Counts>().Ret<Counts>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    SpmJvp, Jvp,
    ffi::Ffi::Bind().POINT.Arg<Tables>().Arg<Tables>().Ret<Tables>().Ret<Rows>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    SpmVjp, Vjp,
    ffi::Ffi::Bind().POINT.Arg<Tables>().Arg<Rows>().Ret<Tables>().Ret<Tables>());
