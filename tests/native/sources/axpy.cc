// y = a x, for the tests of building and loading; `Boom` throws.
#include <stdexcept>

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

static ffi::Error axpy(double a, ffi::BufferR1<ffi::F64> x, ffi::ResultBufferR1<ffi::F64> y) {
  for (size_t i = 0; i < x.element_count(); ++i) {
    y->typed_data()[i] = a * x.typed_data()[i];
  }
  return ffi::Error::Success();
}

// 1 where x is NaN. Compiled away where the compiler may assume that there is none.
static ffi::Error is_nan(ffi::BufferR1<ffi::F64> x, ffi::ResultBufferR1<ffi::F64> y) {
  for (size_t i = 0; i < x.element_count(); ++i) {
    const double value = x.typed_data()[i];
    y->typed_data()[i] = value != value ? 1.0 : 0.0;
  }
  return ffi::Error::Success();
}

static ffi::Error boom(ffi::BufferR1<ffi::F64>, ffi::ResultBufferR1<ffi::F64>) {
  throw std::runtime_error("boom of the test");
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(Axpy, axpy,
                              ffi::Ffi::Bind()
                                  .Attr<double>("a")
                                  .Arg<ffi::BufferR1<ffi::F64>>()
                                  .Ret<ffi::BufferR1<ffi::F64>>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    IsNan, is_nan,
    ffi::Ffi::Bind().Arg<ffi::BufferR1<ffi::F64>>().Ret<ffi::BufferR1<ffi::F64>>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    Boom, boom,
    ffi::Ffi::Bind().Arg<ffi::BufferR1<ffi::F64>>().Ret<ffi::BufferR1<ffi::F64>>());
