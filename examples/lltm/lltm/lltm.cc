// The LLTM cell on a CPU: value, and derivatives in both modes. lltm.h has the formulas.
//
// One thread: at batch 16 and state 128 a call takes some 25 us, and waking a second thread would
// take as long. So a result cannot depend on the number of threads either.
#include "lltm.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "float_math.h"
#include "small_gemm.h"

namespace {

using lltm::Cube;
using lltm::Matrix;
using lltm::Shapes;
using lltm::Sizes;
using small_gemm::Multiply;
namespace ffi = xla::ffi;

// [columns, rows] from [rows, columns], 16 rows at a time: the cache holds a line of each.
void Transpose(const float* from, int64_t rows, int64_t columns, float* to) {
  for (int64_t first = 0; first < rows; first += 16)
    for (int64_t j = 0; j < columns; ++j)
      for (int64_t i = first; i < std::min(first + 16, rows); ++i)
        to[j * rows + i] = from[i * columns + j];
}

std::vector<float> Transposed(const float* from, int64_t rows, int64_t columns) {
  std::vector<float> to(rows * columns);
  Transpose(from, rows, columns, to.data());
  return to;
}

// gates[3 state, batch] = bias
void FillRows(Sizes n, const float* bias, float* gates) {
  for (int64_t row = 0; row < 3 * n.state; ++row)
    std::fill_n(gates + row * n.batch, n.batch, bias[row]);
}

// gates[3 state, batch] += weight x^T
void AddProduct(Sizes n, const float* weight, const float* x, float* gates) {
  const std::vector<float> x_t = Transposed(x, n.batch, n.columns);
  Multiply({weight, n.columns, 1}, x_t.data(), gates, 3 * n.state, n.batch, n.columns, true);
}

// Each number on its own. `saved` has gates before activation, and gets all that is saved; `cell`
// becomes the new one.
void Activate(int64_t n, float* __restrict saved, float* __restrict cell, float* __restrict new_h) {
  float *__restrict i = saved, *__restrict o = saved + n, *__restrict c = saved + 2 * n,
        *__restrict t = saved + 3 * n;
  for (int64_t k = 0; k < n; ++k) {
    i[k] = float_math::Sigmoid(i[k]);
    o[k] = float_math::Sigmoid(o[k]);
    c[k] = float_math::Elu(c[k]);
    cell[k] += c[k] * i[k];
    t[k] = float_math::Tanh(cell[k]);
    new_h[k] = t[k] * o[k];
  }
}

void Cell(Sizes n, Matrix x, Cube weight, Matrix bias, Matrix cell, float* saved, Matrix new_h,
          Matrix new_cell) {
  FillRows(n, bias.typed_data(), saved);
  AddProduct(n, weight.typed_data(), x.typed_data(), saved);
  std::vector<float> cell_t = Transposed(cell.typed_data(), n.batch, n.state);
  std::vector<float> h_t(n.numbers());
  Activate(n.numbers(), saved, cell_t.data(), h_t.data());
  Transpose(h_t.data(), n.state, n.batch, new_h.typed_data());
  Transpose(cell_t.data(), n.state, n.batch, new_cell.typed_data());
}

ffi::Error Forward(Matrix x, Cube weight, Matrix bias, Matrix cell, ffi::Result<Matrix> new_h,
                   ffi::Result<Matrix> new_cell) {
  Shapes shapes(x, weight, bias, cell);
  shapes.Outputs("", *new_h, *new_cell);
  if (!shapes.ok()) return shapes.error();
  std::vector<float> saved(4 * shapes.n.numbers());
  Cell(shapes.n, x, weight, bias, cell, saved.data(), *new_h, *new_cell);
  return ffi::Error::Success();
}

ffi::Error Saving(Matrix x, Cube weight, Matrix bias, Matrix cell, ffi::Result<Matrix> new_h,
                  ffi::Result<Matrix> new_cell, ffi::Result<Cube> saved) {
  Shapes shapes(x, weight, bias, cell);
  shapes.Outputs("", *new_h, *new_cell);
  shapes.Saved(*saved);
  if (!shapes.ok()) return shapes.error();
  Cell(shapes.n, x, weight, bias, cell, saved->typed_data(), *new_h, *new_cell);
  return ffi::Error::Success();
}

// Tangents of the inputs -> tangents of the outputs.
ffi::Error Jvp(Matrix x, Cube weight, Matrix bias, Matrix cell, Cube saved, Matrix dx, Cube dweight,
               Matrix dbias, Matrix dcell, ffi::Result<Matrix> dnew_h,
               ffi::Result<Matrix> dnew_cell) {
  Shapes shapes(x, weight, bias, cell);
  shapes.Saved(saved);
  shapes.Inputs("tangent of ", dx, dweight, dbias, dcell);
  shapes.Outputs("tangent of ", *dnew_h, *dnew_cell);
  if (!shapes.ok()) return shapes.error();
  const Sizes n = shapes.n;
  const int64_t numbers = n.numbers();

  std::vector<float> dgates(3 * numbers), dh_t(numbers);
  std::vector<float> dcell_t = Transposed(dcell.typed_data(), n.batch, n.state);
  FillRows(n, dbias.typed_data(), dgates.data());
  AddProduct(n, weight.typed_data(), dx.typed_data(), dgates.data());
  AddProduct(n, dweight.typed_data(), x.typed_data(), dgates.data());
  for (int64_t k = 0; k < numbers; ++k)
    dh_t[k] = lltm::Push(lltm::PointAt(saved.typed_data(), numbers, k),
                         {dgates[k], dgates[numbers + k], dgates[2 * numbers + k]}, dcell_t[k]);
  Transpose(dh_t.data(), n.state, n.batch, dnew_h->typed_data());
  Transpose(dcell_t.data(), n.state, n.batch, dnew_cell->typed_data());
  return ffi::Error::Success();
}

// Cotangents of the outputs -> cotangents of the inputs.
ffi::Error Vjp(Matrix x, Cube weight, Matrix bias, Matrix cell, Cube saved, Matrix new_h_bar,
               Matrix new_cell_bar, ffi::Result<Matrix> x_bar, ffi::Result<Cube> weight_bar,
               ffi::Result<Matrix> bias_bar, ffi::Result<Matrix> cell_bar) {
  Shapes shapes(x, weight, bias, cell);
  shapes.Saved(saved);
  shapes.Outputs("cotangent of ", new_h_bar, new_cell_bar);
  shapes.Inputs("cotangent of ", *x_bar, *weight_bar, *bias_bar, *cell_bar);
  if (!shapes.ok()) return shapes.error();
  const Sizes n = shapes.n;
  const int64_t numbers = n.numbers();

  const std::vector<float> h_t = Transposed(new_h_bar.typed_data(), n.batch, n.state);
  std::vector<float> cell_t = Transposed(new_cell_bar.typed_data(), n.batch, n.state);
  std::vector<float> gates(3 * numbers);  // G^T [3 state, batch], the cotangent of the gates
  for (int64_t k = 0; k < numbers; ++k) {
    const lltm::Gates g =
        lltm::Pull(lltm::PointAt(saved.typed_data(), numbers, k), h_t[k], cell_t[k]);
    gates[k] = g.i, gates[numbers + k] = g.o, gates[2 * numbers + k] = g.c;
  }
  Transpose(cell_t.data(), n.state, n.batch, cell_bar->typed_data());
  for (int64_t row = 0; row < 3 * n.state; ++row) {
    float sum = 0;
    for (int64_t b = 0; b < n.batch; ++b) sum += gates[row * n.batch + b];
    bias_bar->typed_data()[row] = sum;
  }
  // weight_bar = G^T X and x_bar = G W
  Multiply({gates.data(), n.batch, 1}, x.typed_data(), weight_bar->typed_data(), 3 * n.state,
           n.columns, n.batch, false);
  Multiply({gates.data(), 1, n.batch}, weight.typed_data(), x_bar->typed_data(), n.batch, n.columns,
           3 * n.state, false);
  return ffi::Error::Success();
}

}  // namespace

#define INPUTS Arg<Matrix>().Arg<Cube>().Arg<Matrix>().Arg<Matrix>()
XLA_FFI_DEFINE_HANDLER_SYMBOL(LltmForward, Forward,
                              ffi::Ffi::Bind().INPUTS.Ret<Matrix>().Ret<Matrix>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(LltmSaving, Saving,
                              ffi::Ffi::Bind().INPUTS.Ret<Matrix>().Ret<Matrix>().Ret<Cube>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    LltmJvp, Jvp, ffi::Ffi::Bind().INPUTS.Arg<Cube>().INPUTS.Ret<Matrix>().Ret<Matrix>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(LltmVjp, Vjp,
                              ffi::Ffi::Bind()
                                  .INPUTS.Arg<Cube>()
                                  .Arg<Matrix>()
                                  .Arg<Matrix>()
                                  .Ret<Matrix>()
                                  .Ret<Cube>()
                                  .Ret<Matrix>()
                                  .Ret<Matrix>());
