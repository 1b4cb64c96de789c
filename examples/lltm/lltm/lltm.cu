// The LLTM cell on an NVIDIA GPU: the same handlers under the same names, with a stream.
//
// The product is a plain one, by tiles in shared memory, so that nvcc alone builds this file. On
// large cells it is bound by that product: link cuBLAS (-lcublas) and call cublasSgemm there.
#include <cuda_runtime.h>

#include "lltm.h"

namespace {

using lltm::Cube;
using lltm::Gates;
using lltm::Matrix;
using lltm::Shapes;
using lltm::Sizes;
namespace ffi = xla::ffi;

constexpr int kTile = 16;
constexpr int kThreads = 256;

// Entry (i, j) of a matrix is data[i * row + j * column].
struct Strided {
  const float* data;
  int64_t row, column;
};

// out[rows, columns] = a[rows, depth] b[depth, columns] + start[rows], where start is not null;
// to the products before, where `add`. A thread has one number of out.
__global__ void Product(Strided a, Strided b, const float* start, float* out, int64_t rows,
                        int64_t columns, int64_t depth, bool add) {
  __shared__ float a_tile[kTile][kTile], b_tile[kTile][kTile + 1];
  const int64_t i = int64_t{blockIdx.y} * kTile + threadIdx.y;
  const int64_t j = int64_t{blockIdx.x} * kTile + threadIdx.x;
  float sum = 0;
  for (int64_t first = 0; first < depth; first += kTile) {
    const int64_t l_a = first + threadIdx.x, l_b = first + threadIdx.y;
    a_tile[threadIdx.y][threadIdx.x] =
        i < rows && l_a < depth ? a.data[i * a.row + l_a * a.column] : 0;
    b_tile[threadIdx.y][threadIdx.x] =
        j < columns && l_b < depth ? b.data[l_b * b.row + j * b.column] : 0;
    __syncthreads();
    for (int l = 0; l < kTile; ++l) sum += a_tile[threadIdx.y][l] * b_tile[l][threadIdx.x];
    __syncthreads();
  }
  if (i >= rows || j >= columns) return;
  if (start != nullptr) sum += start[i];
  if (add) sum += out[i * columns + j];
  out[i * columns + j] = sum;
}

// Number k = j * batch + b of arrays that lie features first is this one of [batch, state].
__device__ int64_t Outer(Sizes n, int64_t k) { return k % n.batch * n.state + k / n.batch; }

__device__ int64_t Thread() { return int64_t{blockIdx.x} * blockDim.x + threadIdx.x; }

// gates[3 state, batch], before activation -> the outputs and, where it is not null, saved.
__global__ void Activate(Sizes n, const float* gates, const float* cell, float* saved,
                         float* new_h, float* new_cell) {
  const int64_t k = Thread(), numbers = n.numbers();
  if (k >= numbers) return;
  const float c_before = gates[2 * numbers + k];
  const float i = 1 / (1 + expf(-gates[k])), o = 1 / (1 + expf(-gates[numbers + k]));
  const float c = c_before > 0 ? c_before : expm1f(c_before);
  const float sum = cell[Outer(n, k)] + c * i;
  const float t = tanhf(sum);
  new_cell[Outer(n, k)] = sum;
  new_h[Outer(n, k)] = t * o;
  if (saved == nullptr) return;
  saved[k] = i, saved[numbers + k] = o, saved[2 * numbers + k] = c, saved[3 * numbers + k] = t;
}

__global__ void PushNumbers(Sizes n, const float* saved, const float* dgates, const float* dcell,
                            float* dnew_h, float* dnew_cell) {
  const int64_t k = Thread(), numbers = n.numbers();
  if (k >= numbers) return;
  float sum = dcell[Outer(n, k)];
  const Gates tangent = {dgates[k], dgates[numbers + k], dgates[2 * numbers + k]};
  dnew_h[Outer(n, k)] = lltm::Push(lltm::PointAt(saved, numbers, k), tangent, sum);
  dnew_cell[Outer(n, k)] = sum;
}

__global__ void PullNumbers(Sizes n, const float* saved, const float* new_h_bar,
                            const float* new_cell_bar, float* gates, float* cell_bar) {
  const int64_t k = Thread(), numbers = n.numbers();
  if (k >= numbers) return;
  float sum = new_cell_bar[Outer(n, k)];
  const Gates g = lltm::Pull(lltm::PointAt(saved, numbers, k), new_h_bar[Outer(n, k)], sum);
  gates[k] = g.i, gates[numbers + k] = g.o, gates[2 * numbers + k] = g.c;
  cell_bar[Outer(n, k)] = sum;
}

// Sums over the batch, each by one thread: the same in each run.
__global__ void SumRows(int64_t rows, int64_t columns, const float* from, float* to) {
  const int64_t i = Thread();
  if (i >= rows) return;
  float sum = 0;
  for (int64_t j = 0; j < columns; ++j) sum += from[i * columns + j];
  to[i] = sum;
}

unsigned Blocks(int64_t n, int threads) { return static_cast<unsigned>((n + threads - 1) / threads); }

void Multiply(cudaStream_t stream, Strided a, Strided b, const float* start, float* out,
              int64_t rows, int64_t columns, int64_t depth, bool add) {
  if (rows == 0 || columns == 0) return;
  const dim3 grid(Blocks(columns, kTile), Blocks(rows, kTile));
  Product<<<grid, dim3(kTile, kTile), 0, stream>>>(a, b, start, out, rows, columns, depth, add);
}

ffi::Error Launched() {
  const cudaError_t status = cudaGetLastError();
  if (status == cudaSuccess) return ffi::Error::Success();
  return ffi::Error::Internal(std::string("lltm: ") + cudaGetErrorString(status));
}

// Memory for three numbers of each of [state, batch], until the end of the call; may be null.
float* ThreeGates(ffi::ScratchAllocator& scratch, Sizes n) {
  return static_cast<float*>(
      scratch.Allocate(3 * n.numbers() * sizeof(float)).value_or(nullptr));
}

ffi::Error Cell(cudaStream_t stream, ffi::ScratchAllocator& scratch, Sizes n, Matrix x, Cube weight,
                Matrix bias, Matrix cell, float* saved, Matrix new_h, Matrix new_cell) {
  if (n.numbers() == 0) return ffi::Error::Success();
  float* gates = ThreeGates(scratch, n);
  if (gates == nullptr) return ffi::Error::Internal("lltm: no memory for the gates");
  Multiply(stream, {weight.typed_data(), n.columns, 1}, {x.typed_data(), 1, n.columns},
           bias.typed_data(), gates, 3 * n.state, n.batch, n.columns, false);
  Activate<<<Blocks(n.numbers(), kThreads), kThreads, 0, stream>>>(
      n, gates, cell.typed_data(), saved, new_h.typed_data(), new_cell.typed_data());
  return Launched();
}

ffi::Error Forward(cudaStream_t stream, ffi::ScratchAllocator scratch, Matrix x, Cube weight,
                   Matrix bias, Matrix cell, ffi::Result<Matrix> new_h,
                   ffi::Result<Matrix> new_cell) {
  Shapes shapes(x, weight, bias, cell);
  shapes.Outputs("", *new_h, *new_cell);
  if (!shapes.ok()) return shapes.error();
  return Cell(stream, scratch, shapes.n, x, weight, bias, cell, nullptr, *new_h, *new_cell);
}

ffi::Error Saving(cudaStream_t stream, ffi::ScratchAllocator scratch, Matrix x, Cube weight,
                  Matrix bias, Matrix cell, ffi::Result<Matrix> new_h,
                  ffi::Result<Matrix> new_cell, ffi::Result<Cube> saved) {
  Shapes shapes(x, weight, bias, cell);
  shapes.Outputs("", *new_h, *new_cell);
  shapes.Saved(*saved);
  if (!shapes.ok()) return shapes.error();
  return Cell(stream, scratch, shapes.n, x, weight, bias, cell, saved->typed_data(), *new_h,
              *new_cell);
}

ffi::Error Jvp(cudaStream_t stream, ffi::ScratchAllocator scratch, Matrix x, Cube weight,
               Matrix bias, Matrix cell, Cube saved, Matrix dx, Cube dweight, Matrix dbias,
               Matrix dcell, ffi::Result<Matrix> dnew_h, ffi::Result<Matrix> dnew_cell) {
  Shapes shapes(x, weight, bias, cell);
  shapes.Saved(saved);
  shapes.Inputs("tangent of ", dx, dweight, dbias, dcell);
  shapes.Outputs("tangent of ", *dnew_h, *dnew_cell);
  if (!shapes.ok()) return shapes.error();
  const Sizes n = shapes.n;
  if (n.numbers() == 0) return ffi::Error::Success();
  float* dgates = ThreeGates(scratch, n);
  if (dgates == nullptr) return ffi::Error::Internal("lltm: no memory for the gates");
  Multiply(stream, {weight.typed_data(), n.columns, 1}, {dx.typed_data(), 1, n.columns},
           dbias.typed_data(), dgates, 3 * n.state, n.batch, n.columns, false);
  Multiply(stream, {dweight.typed_data(), n.columns, 1}, {x.typed_data(), 1, n.columns}, nullptr,
           dgates, 3 * n.state, n.batch, n.columns, true);
  PushNumbers<<<Blocks(n.numbers(), kThreads), kThreads, 0, stream>>>(
      n, saved.typed_data(), dgates, dcell.typed_data(), dnew_h->typed_data(),
      dnew_cell->typed_data());
  return Launched();
}

ffi::Error Vjp(cudaStream_t stream, ffi::ScratchAllocator scratch, Matrix x, Cube weight,
               Matrix bias, Matrix cell, Cube saved, Matrix new_h_bar, Matrix new_cell_bar,
               ffi::Result<Matrix> x_bar, ffi::Result<Cube> weight_bar,
               ffi::Result<Matrix> bias_bar, ffi::Result<Matrix> cell_bar) {
  Shapes shapes(x, weight, bias, cell);
  shapes.Saved(saved);
  shapes.Outputs("cotangent of ", new_h_bar, new_cell_bar);
  shapes.Inputs("cotangent of ", *x_bar, *weight_bar, *bias_bar, *cell_bar);
  if (!shapes.ok()) return shapes.error();
  const Sizes n = shapes.n;
  float* gates = nullptr;  // G^T [3 state, batch], the cotangent of the gates
  if (n.numbers() > 0) {
    gates = ThreeGates(scratch, n);
    if (gates == nullptr) return ffi::Error::Internal("lltm: no memory for the gates");
    PullNumbers<<<Blocks(n.numbers(), kThreads), kThreads, 0, stream>>>(
        n, saved.typed_data(), new_h_bar.typed_data(), new_cell_bar.typed_data(), gates,
        cell_bar->typed_data());
  }
  // Also of an empty batch: the sums are 0 then.
  if (n.state > 0)
    SumRows<<<Blocks(3 * n.state, kThreads), kThreads, 0, stream>>>(3 * n.state, n.batch, gates,
                                                                    bias_bar->typed_data());
  Multiply(stream, {gates, n.batch, 1}, {x.typed_data(), n.columns, 1}, nullptr,
           weight_bar->typed_data(), 3 * n.state, n.columns, n.batch, false);
  Multiply(stream, {gates, 1, n.batch}, {weight.typed_data(), n.columns, 1}, nullptr,
           x_bar->typed_data(), n.batch, n.columns, 3 * n.state, false);
  return Launched();
}

}  // namespace

#define CONTEXT Ctx<ffi::PlatformStream<cudaStream_t>>().Ctx<ffi::ScratchAllocator>()
#define INPUTS Arg<Matrix>().Arg<Cube>().Arg<Matrix>().Arg<Matrix>()
XLA_FFI_DEFINE_HANDLER_SYMBOL(LltmForward, Forward,
                              ffi::Ffi::Bind().CONTEXT.INPUTS.Ret<Matrix>().Ret<Matrix>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    LltmSaving, Saving, ffi::Ffi::Bind().CONTEXT.INPUTS.Ret<Matrix>().Ret<Matrix>().Ret<Cube>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    LltmJvp, Jvp, ffi::Ffi::Bind().CONTEXT.INPUTS.Arg<Cube>().INPUTS.Ret<Matrix>().Ret<Matrix>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(LltmVjp, Vjp,
                              ffi::Ffi::Bind()
                                  .CONTEXT.INPUTS.Arg<Cube>()
                                  .Arg<Matrix>()
                                  .Arg<Matrix>()
                                  .Ret<Matrix>()
                                  .Ret<Cube>()
                                  .Ret<Matrix>()
                                  .Ret<Matrix>());
