// A product of small float32 matrices, for one thread: out = A B, or out += A B.
//
// The rows of B and of out lie contiguously, and A is read one number at a time, along any strides.
// That one form serves all products of the cell: A is a weight, or gradients as they lie or
// transposed. It is made for matrices that stay in the second-level cache (some 100 kB each):
// nothing is packed, so that nothing is spent on packing. A larger product belongs to a BLAS.
//
// The work is cut into tiles of out that are held in registers. For each step along the depth, a
// tile of 8 rows by 2 vectors reads 2 vectors of B and 8 numbers of A, for 16 multiply-adds. The cut
// follows from the sizes alone, and each number is summed in the order of the depth: a result is the
// same in each run.
#ifndef LLTM_SMALL_GEMM_H_
#define LLTM_SMALL_GEMM_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

// Without it GCC unrolls too late, and keeps the sums of a tile in memory.
#define SMALL_GEMM_UNROLL _Pragma("GCC unroll 8")

namespace small_gemm {

// Rows of a tile and lanes of a vector, by the registers that -march gives. With AVX-512 it is the
// number of registers that counts here: on Zen 4, whose unit is 256 bits wide, vectors of 16 lanes
// took 22 us where these take 17, for W x^T at batch 16. Two units of 512 bits would want 16.
#if defined(__AVX512VL__)
constexpr int kRows = 8, kLanes = 8;  // of 32 registers 8 x 2 hold sums
#elif defined(__AVX__)
constexpr int kRows = 4, kLanes = 8;  // 4 x 2 of 16
#else
constexpr int kRows = 4, kLanes = 4;
#endif

// Vectors as GCC and clang know them: + and * act on each lane.
typedef float Vector __attribute__((vector_size(kLanes * sizeof(float))));

// Entry (i, j) of a matrix is data[i * row + j * column].
struct Strided {
  const float* data;
  int64_t row, column;
};

inline Vector Load(const float* from) {
  Vector v;
  std::memcpy(&v, from, sizeof v);  // a plain load that may be unaligned
  return v;
}

// n_rows rows and n_across vectors of out, from its first entry on; `stride` parts rows of B and out.
template <int n_rows, int n_across>
inline void Tile(Strided a, const float* b, float* out, int64_t stride, int64_t depth, bool add) {
  Vector sum[n_rows][n_across];
  SMALL_GEMM_UNROLL for (int i = 0; i < n_rows; ++i)
    SMALL_GEMM_UNROLL for (int v = 0; v < n_across; ++v)
      sum[i][v] = add ? Load(out + i * stride + v * kLanes) : Vector{};
  for (int64_t l = 0; l < depth; ++l)
    SMALL_GEMM_UNROLL for (int i = 0; i < n_rows; ++i)
      SMALL_GEMM_UNROLL for (int v = 0; v < n_across; ++v)
        sum[i][v] += a.data[i * a.row + l * a.column] * Load(b + l * stride + v * kLanes);
  SMALL_GEMM_UNROLL for (int i = 0; i < n_rows; ++i)
    SMALL_GEMM_UNROLL for (int v = 0; v < n_across; ++v)
      std::memcpy(out + i * stride + v * kLanes, &sum[i][v], sizeof(Vector));
}

// n_rows rows of out, up to column `end`, a multiple of kLanes.
template <int n_rows>
inline void Rows(Strided a, const float* b, float* out, int64_t stride, int64_t end, int64_t depth,
                 bool add) {
  int64_t from = 0;
  for (; from + 2 * kLanes <= end; from += 2 * kLanes)
    Tile<n_rows, 2>(a, b + from, out + from, stride, depth, add);
  if (from < end) Tile<n_rows, 1>(a, b + from, out + from, stride, depth, add);
}

// out[rows, columns] = a[rows, depth] b[depth, columns], or += where `add`.
inline void Multiply(Strided a, const float* b, float* out, int64_t rows, int64_t columns,
                     int64_t depth, bool add) {
  const int64_t rest = columns % kLanes, end = columns - rest;
  int64_t i = 0;
  for (; i + kRows <= rows; i += kRows)
    Rows<kRows>({a.data + i * a.row, a.row, a.column}, b, out + i * columns, columns, end, depth,
                add);
  for (; i < rows; ++i)
    Rows<1>({a.data + i * a.row, a.row, a.column}, b, out + i * columns, columns, end, depth, add);
  if (rest == 0) return;
  // The columns that do not fill a vector, in copies in which they do.
  std::vector<float> b_rest(depth * kLanes), out_rest(rows * kLanes);
  for (int64_t l = 0; l < depth; ++l)
    std::copy_n(b + l * columns + end, rest, &b_rest[l * kLanes]);
  for (int64_t r = 0; add && r < rows; ++r)
    std::copy_n(out + r * columns + end, rest, &out_rest[r * kLanes]);
  Multiply(a, b_rest.data(), out_rest.data(), rows, kLanes, depth, add);
  for (int64_t r = 0; r < rows; ++r)
    std::copy_n(&out_rest[r * kLanes], rest, out + r * columns + end);
}

}  // namespace small_gemm

#undef SMALL_GEMM_UNROLL

#endif  // LLTM_SMALL_GEMM_H_
