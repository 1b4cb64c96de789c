// y = a x on a GPU: the same form as on the CPU, with the stream as one argument more.
#include <cuda_runtime.h>

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

__global__ void scale_kernel(double a, const double* x, double* y, size_t n) {
  const size_t i = blockIdx.x * static_cast<size_t>(blockDim.x) + threadIdx.x;
  if (i < n) y[i] = a * x[i];
}

static ffi::Error scale(cudaStream_t stream, double a, ffi::BufferR1<ffi::F64> x,
                        ffi::ResultBufferR1<ffi::F64> y) {
  const size_t n = x.element_count();
  if (n == 0) return ffi::Error::Success();
  scale_kernel<<<(n + 255) / 256, 256, 0, stream>>>(a, x.typed_data(), y->typed_data(), n);
  const cudaError_t status = cudaGetLastError();
  return status == cudaSuccess ? ffi::Error::Success()
                               : ffi::Error::Internal(cudaGetErrorString(status));
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(Axpy, scale,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::PlatformStream<cudaStream_t>>()
                                  .Attr<double>("a")
                                  .Arg<ffi::BufferR1<ffi::F64>>()
                                  .Ret<ffi::BufferR1<ffi::F64>>(),
                              {ffi::Traits::kCmdBufferCompatible});
