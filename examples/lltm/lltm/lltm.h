// What the CPU and the GPU share: shapes and their check, and the derivatives of one number.
//
//   gates = X W^T + b,  X = [h, x]
//   new_cell = cell + elu(gates[2]) * sigmoid(gates[0])
//   new_h = tanh(new_cell) * sigmoid(gates[1])
//
// Within, arrays lie features first, [state, batch]: a weight then stands at the left of a product
// as it is. `saved` is [4, state, batch]: the three gates after activation, and tanh(new_cell).
#ifndef LLTM_LLTM_H_
#define LLTM_LLTM_H_

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "xla/ffi/api/ffi.h"

#ifdef __CUDACC__
#define LLTM_INLINE __host__ __device__ inline
#else
#define LLTM_INLINE inline
#endif

namespace lltm {

namespace ffi = xla::ffi;
using Matrix = ffi::Buffer<ffi::F32, 2>;
using Cube = ffi::Buffer<ffi::F32, 3>;

struct Sizes {
  int64_t batch, columns, state;  // X is [batch, columns], with columns = state + features
  LLTM_INLINE int64_t numbers() const { return state * batch; }
};

// Shapes of a call. The declaration in Python says the same; here it is looked at again, since a
// target can also be called without it, and nothing may be read beyond a buffer.
class Shapes {
 public:
  Shapes(Matrix x, Cube weight, Matrix bias, Matrix cell)
      : n{x.dimensions()[0], x.dimensions()[1], cell.dimensions()[1]} {
    Inputs("", x, weight, bias, cell);
  }

  // The arrays that have the shapes of the inputs: their tangents and cotangents too.
  void Inputs(const char* of, Matrix x, Cube weight, Matrix bias, Matrix cell) {
    Expect(of, "x", x, {n.batch, n.columns});
    Expect(of, "weight", weight, {3, n.state, n.columns});
    Expect(of, "bias", bias, {3, n.state});
    Expect(of, "cell", cell, {n.batch, n.state});
  }

  void Outputs(const char* of, Matrix new_h, Matrix new_cell) {
    Expect(of, "new_h", new_h, {n.batch, n.state});
    Expect(of, "new_cell", new_cell, {n.batch, n.state});
  }

  void Saved(Cube saved) { Expect("", "saved", saved, {4, n.state, n.batch}); }

  bool ok() const { return wrong_.empty(); }
  ffi::Error error() const { return ffi::Error::InvalidArgument("lltm: " + wrong_); }

  const Sizes n;

 private:
  template <typename Buffer>
  void Expect(const char* of, const char* name, const Buffer& buffer,
              std::initializer_list<int64_t> expected) {
    const auto got = buffer.dimensions();
    if (std::equal(got.begin(), got.end(), expected.begin(), expected.end())) return;
    wrong_ += std::string(ok() ? "" : "; ") + of + name + " has the shape [ ";
    for (int64_t size : got) wrong_ += std::to_string(size) + " ";
    wrong_ += "], expected [ ";
    for (int64_t size : expected) wrong_ += std::to_string(size) + " ";
    wrong_ += "]";
  }

  std::string wrong_;
};

// Input gate, output gate and candidate; or tangents or cotangents of them before activation.
struct Gates {
  float i, o, c;
};

// One number of what is saved, which all slopes follow from.
struct Point {
  Gates gates;
  float t;  // tanh of the new cell

  LLTM_INLINE float SlopeI() const { return gates.i * (1 - gates.i); }
  LLTM_INLINE float SlopeO() const { return gates.o * (1 - gates.o); }
  // Of elu: 1, or exp(x), which is 1 + elu(x), where x is not positive.
  LLTM_INLINE float SlopeC() const { return gates.c > 0 ? 1.0f : 1 + gates.c; }
  // Of new_h by new_cell.
  LLTM_INLINE float SlopeH() const { return gates.o * (1 - t * t); }
};

LLTM_INLINE Point PointAt(const float* saved, int64_t n, int64_t k) {
  return {{saved[k], saved[n + k], saved[2 * n + k]}, saved[3 * n + k]};
}

// Tangents of the gates and of the cell -> of the new cell, in place, and of the new h (returned).
LLTM_INLINE float Push(Point p, Gates tangent, float& cell) {
  cell += tangent.c * p.SlopeC() * p.gates.i + p.gates.c * tangent.i * p.SlopeI();
  return p.SlopeH() * cell + p.t * tangent.o * p.SlopeO();
}

// Cotangents of the new h and the new cell -> of the gates (returned) and, in place, of the cell.
LLTM_INLINE Gates Pull(Point p, float h, float& cell) {
  cell += h * p.SlopeH();
  return {cell * p.gates.c * p.SlopeI(), h * p.t * p.SlopeO(), cell * p.gates.i * p.SlopeC()};
}

}  // namespace lltm

#endif  // LLTM_LLTM_H_
