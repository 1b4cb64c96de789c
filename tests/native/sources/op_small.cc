// Small operators for the tests of rules: each in its plainest form.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <stdexcept>

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

template <ffi::DataType T, size_t N>
using In = ffi::Buffer<T, N>;
template <ffi::DataType T, size_t N>
using Out = ffi::Result<ffi::Buffer<T, N>>;

// y_i = a x_i^2, s = sum_i x_i y_i, with the attribute a. float32 and float64 by one template.
template <ffi::DataType T>
ffi::Error Square(double a, In<T, 1> x, Out<T, 1> y, Out<T, 0> s) {
  double sum = 0;
  for (size_t i = 0; i < x.element_count(); ++i) {
    auto v = x.typed_data()[i];
    y->typed_data()[i] = a * v * v;
    sum += a * v * v * v;
  }
  s->typed_data()[0] = sum;
  return ffi::Error::Success();
}

template <ffi::DataType T>
ffi::Error SquareJvp(double a, In<T, 1> x, In<T, 1> t, Out<T, 1> dy, Out<T, 0> ds) {
  double sum = 0;
  for (size_t i = 0; i < x.element_count(); ++i) {
    auto v = x.typed_data()[i];
    dy->typed_data()[i] = 2 * a * v * t.typed_data()[i];
    sum += 3 * a * v * v * t.typed_data()[i];
  }
  ds->typed_data()[0] = sum;
  return ffi::Error::Success();
}

template <ffi::DataType T>
ffi::Error SquareVjp(double a, In<T, 1> x, In<T, 1> wy, In<T, 0> ws, Out<T, 1> dx) {
  for (size_t i = 0; i < x.element_count(); ++i) {
    auto v = x.typed_data()[i];
    dx->typed_data()[i] = 2 * a * v * wy.typed_data()[i] + 3 * a * v * v * ws.typed_data()[0];
  }
  return ffi::Error::Success();
}

// Second order: H[t, s] and H[t, .]^T w.
template <ffi::DataType T>
ffi::Error SquareJvp2(double a, In<T, 1> x, In<T, 1> t, In<T, 1> s, Out<T, 1> dy, Out<T, 0> ds) {
  double sum = 0;
  for (size_t i = 0; i < x.element_count(); ++i) {
    auto ts = t.typed_data()[i] * s.typed_data()[i];
    dy->typed_data()[i] = 2 * a * ts;
    sum += 6 * a * x.typed_data()[i] * ts;
  }
  ds->typed_data()[0] = sum;
  return ffi::Error::Success();
}

template <ffi::DataType T>
ffi::Error SquareVjp2(double a, In<T, 1> x, In<T, 1> t, In<T, 1> wy, In<T, 0> ws, Out<T, 1> dx) {
  for (size_t i = 0; i < x.element_count(); ++i) {
    auto v = x.typed_data()[i];
    dx->typed_data()[i] =
        t.typed_data()[i] * (2 * a * wy.typed_data()[i] + 6 * a * v * ws.typed_data()[0]);
  }
  return ffi::Error::Success();
}

#define SQUARE(NAME, FUNCTION, T, SHAPES)                    \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(NAME, FUNCTION<ffi::DataType::T>, \
                                ffi::Ffi::Bind().Attr<double>("a") SHAPES(ffi::DataType::T))
#define ARG1(T) .Arg<ffi::Buffer<T, 1>>()
#define ARG0(T) .Arg<ffi::Buffer<T, 0>>()
#define RET1(T) .Ret<ffi::Buffer<T, 1>>()
#define RET0(T) .Ret<ffi::Buffer<T, 0>>()
#define FORWARD(T) ARG1(T) RET1(T) RET0(T)
#define JVP(T) ARG1(T) ARG1(T) RET1(T) RET0(T)
#define VJP(T) ARG1(T) ARG1(T) ARG0(T) RET1(T)
#define JVP2(T) ARG1(T) ARG1(T) ARG1(T) RET1(T) RET0(T)
#define VJP2(T) ARG1(T) ARG1(T) ARG1(T) ARG0(T) RET1(T)
SQUARE(Square32, Square, F32, FORWARD);
SQUARE(Square64, Square, F64, FORWARD);
SQUARE(SquareJvp32, SquareJvp, F32, JVP);
SQUARE(SquareJvp64, SquareJvp, F64, JVP);
SQUARE(SquareVjp32, SquareVjp, F32, VJP);
SQUARE(SquareVjp64, SquareVjp, F64, VJP);
SQUARE(SquareSecondJvp64, SquareJvp2, F64, JVP2);
SQUARE(SquareSecondVjp64, SquareVjp2, F64, VJP2);

// A value that is off by 0.1 %, for the tests of the check.
static ffi::Error SquareWrong(double a, In<ffi::F64, 1> x, Out<ffi::F64, 1> y, Out<ffi::F64, 0> s) {
  return Square<ffi::F64>(1.001 * a, x, y, s);
}
static ffi::Error SquareVjpWrong(double a, In<ffi::F64, 1> x, In<ffi::F64, 1> wy,
                                 In<ffi::F64, 0> ws, Out<ffi::F64, 1> dx) {
  return SquareVjp<ffi::F64>(1.001 * a, x, wy, ws, dx);
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(SquareWrong64, SquareWrong,
                              ffi::Ffi::Bind().Attr<double>("a") FORWARD(ffi::F64));
XLA_FFI_DEFINE_HANDLER_SYMBOL(SquareVjpWrong64, SquareVjpWrong,
                              ffi::Ffi::Bind().Attr<double>("a") VJP(ffi::F64));

// out = into, out[index[i]] += values[i]; rows of three.
static ffi::Error ScatterAdd(In<ffi::F64, 2> values, In<ffi::S32, 1> index, In<ffi::F64, 2> into,
                             Out<ffi::F64, 2> out) {
  std::memcpy(out->typed_data(), into.typed_data(), into.size_bytes());
  for (size_t i = 0; i < index.element_count(); ++i)
    for (int k = 0; k < 3; ++k)
      out->typed_data()[3 * index.typed_data()[i] + k] += values.typed_data()[3 * i + k];
  return ffi::Error::Success();
}
static ffi::Error ScatterAddJvp(In<ffi::F64, 2>, In<ffi::S32, 1> index, In<ffi::F64, 2>,
                                In<ffi::F64, 2> values, In<ffi::F64, 2> into,
                                Out<ffi::F64, 2> out) {
  return ScatterAdd(values, index, into, out);
}
static ffi::Error ScatterAddVjp(In<ffi::F64, 2>, In<ffi::S32, 1> index, In<ffi::F64, 2>,
                                In<ffi::F64, 2> w, Out<ffi::F64, 2> values,
                                Out<ffi::F64, 2> into) {
  std::memcpy(into->typed_data(), w.typed_data(), w.size_bytes());
  for (size_t i = 0; i < index.element_count(); ++i)
    for (int k = 0; k < 3; ++k)
      values->typed_data()[3 * i + k] = w.typed_data()[3 * index.typed_data()[i] + k];
  return ffi::Error::Success();
}
#define ROWS Arg<ffi::Buffer<ffi::F64, 2>>()
#define INDEX Arg<ffi::Buffer<ffi::S32, 1>>()
#define INTO Ret<ffi::Buffer<ffi::F64, 2>>()
XLA_FFI_DEFINE_HANDLER_SYMBOL(ScatterAddHandler, ScatterAdd,
                              ffi::Ffi::Bind().ROWS.INDEX.ROWS.INTO);
XLA_FFI_DEFINE_HANDLER_SYMBOL(ScatterAddJvpHandler, ScatterAddJvp,
                              ffi::Ffi::Bind().ROWS.INDEX.ROWS.ROWS.ROWS.INTO);
XLA_FFI_DEFINE_HANDLER_SYMBOL(ScatterAddVjpHandler, ScatterAddVjp,
                              ffi::Ffi::Bind().ROWS.INDEX.ROWS.ROWS.INTO.INTO);

// Fails in the two ways in which native code fails.
static ffi::Error Fail(bool by_exception, In<ffi::F64, 1>, Out<ffi::F64, 1>) {
  if (by_exception) throw std::runtime_error("the tank is empty");
  return ffi::Error::InvalidArgument("the tank is too small");
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(FailHandler, Fail,
                              ffi::Ffi::Bind().Attr<bool>("by_exception") ARG1(ffi::F64)
                                  RET1(ffi::F64));
