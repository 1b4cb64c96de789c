// An operator with residuals and an axis of examples, as a recurrent cell has them:
// gate = tanh(w x + b), h = gate * c, with one leading axis of examples on every buffer.
#include <cmath>
#include <cstdlib>

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using V = ffi::Buffer<ffi::F64, 1>;
using M = ffi::Buffer<ffi::F64, 2>;
using T3 = ffi::Buffer<ffi::F64, 3>;
using OutM = ffi::Result<M>;
using OutT3 = ffi::Result<T3>;

// weights [batch, out, in], x [batch, in], c [batch, out] -> h, gate [batch, out]
static ffi::Error Gate(T3 weights, M x, M c, OutM h, OutM gate) {
  auto batch = weights.dimensions()[0], n = weights.dimensions()[1], m = weights.dimensions()[2];
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t i = 0; i < n; ++i) {
      double z = 0;
      for (int64_t j = 0; j < m; ++j)
        z += weights.typed_data()[(b * n + i) * m + j] * x.typed_data()[b * m + j];
      gate->typed_data()[b * n + i] = std::tanh(z);
      h->typed_data()[b * n + i] = std::tanh(z) * c.typed_data()[b * n + i];
    }
  return ffi::Error::Success();
}

// The same without the residual.
static ffi::Error GateLean(T3 weights, M x, M c, OutM h) {
  auto batch = weights.dimensions()[0], n = weights.dimensions()[1], m = weights.dimensions()[2];
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t i = 0; i < n; ++i) {
      double z = 0;
      for (int64_t j = 0; j < m; ++j)
        z += weights.typed_data()[(b * n + i) * m + j] * x.typed_data()[b * m + j];
      h->typed_data()[b * n + i] = std::tanh(z) * c.typed_data()[b * n + i];
    }
  return ffi::Error::Success();
}

static ffi::Error GateJvp(T3 weights, M x, M c, M gate, T3 dweights, M dx, M dc, OutM dh) {
  auto batch = weights.dimensions()[0], n = weights.dimensions()[1], m = weights.dimensions()[2];
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t i = 0; i < n; ++i) {
      double dz = 0;
      for (int64_t j = 0; j < m; ++j)
        dz += dweights.typed_data()[(b * n + i) * m + j] * x.typed_data()[b * m + j] +
              weights.typed_data()[(b * n + i) * m + j] * dx.typed_data()[b * m + j];
      double g = gate.typed_data()[b * n + i];
      dh->typed_data()[b * n + i] =
          (1 - g * g) * dz * c.typed_data()[b * n + i] + g * dc.typed_data()[b * n + i];
    }
  return ffi::Error::Success();
}

static ffi::Error GateVjp(T3 weights, M x, M c, M gate, M wh, OutT3 dweights, OutM dx, OutM dc) {
  auto batch = weights.dimensions()[0], n = weights.dimensions()[1], m = weights.dimensions()[2];
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t j = 0; j < m; ++j) dx->typed_data()[b * m + j] = 0;
    for (int64_t i = 0; i < n; ++i) {
      double g = gate.typed_data()[b * n + i], w = wh.typed_data()[b * n + i];
      dc->typed_data()[b * n + i] = g * w;
      double dz = (1 - g * g) * c.typed_data()[b * n + i] * w;
      for (int64_t j = 0; j < m; ++j) {
        dweights->typed_data()[(b * n + i) * m + j] = dz * x.typed_data()[b * m + j];
        dx->typed_data()[b * m + j] += dz * weights.typed_data()[(b * n + i) * m + j];
      }
    }
  }
  return ffi::Error::Success();
}

#define POINT Arg<T3>().Arg<M>().Arg<M>()
XLA_FFI_DEFINE_HANDLER_SYMBOL(GateHandler, Gate, ffi::Ffi::Bind().POINT.Ret<M>().Ret<M>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(GateLeanHandler, GateLean, ffi::Ffi::Bind().POINT.Ret<M>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(GateJvpHandler, GateJvp,
                              ffi::Ffi::Bind().POINT.Arg<M>().POINT.Ret<M>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    GateVjpHandler, GateVjp,
    ffi::Ffi::Bind().POINT.Arg<M>().Arg<M>().Ret<T3>().Ret<M>().Ret<M>());

// y = x^2 element by element, with many directions: the tangents [p, n] share one call, and
// `calls` counts them. Adds the number of threads where it is told to be wrong.
static int calls = 0;
static ffi::Error Power(V x, ffi::Result<V> y) {
  const char* wrong = std::getenv("GRADION_TEST_WRONG_THREADS");
  const char* threads = std::getenv("GRADION_NUM_THREADS");
  double extra = wrong && threads ? 1e-14 * std::atoi(threads) : 0;
  for (size_t i = 0; i < x.element_count(); ++i)
    y->typed_data()[i] = x.typed_data()[i] * x.typed_data()[i] + extra;
  return ffi::Error::Success();
}
static ffi::Error PowerLinear(V x, M t, OutM dy) {
  ++calls;
  size_t n = x.element_count(), p = t.dimensions()[0];
  for (size_t k = 0; k < p; ++k)
    for (size_t i = 0; i < n; ++i)
      dy->typed_data()[k * n + i] = 2 * x.typed_data()[i] * t.typed_data()[k * n + i];
  return ffi::Error::Success();
}
extern "C" int take_calls() {
  int found = calls;
  calls = 0;
  return found;
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(PowerHandler, Power, ffi::Ffi::Bind().Arg<V>().Ret<V>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(PowerLinearHandler, PowerLinear,
                              ffi::Ffi::Bind().Arg<V>().Arg<M>().Ret<M>());
