// sums[s] = sum of values[i] over all i with segments[i] = s; see __init__.py.
#include <algorithm>
#include <cstdint>
#include <memory>

#include "gradion/parallel.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

template <ffi::DataType T>
using Rows = ffi::Buffer<T, 2>;
using Segments = ffi::Buffer<ffi::S32, 1>;

// Fewer rows than this are summed sooner than a second thread wakes up.
constexpr int64_t kLeastRows = 8192;
constexpr int64_t kMostParts = 16;

// In how many parts the rows are summed, each into sums of its own: from the sizes alone. A part
// has four times as many rows as there are segments, so that its sums cost less to clear and to
// add up than its rows.
int64_t n_parts(int64_t n, int64_t n_segments) {
  const int64_t wanted = n / std::max(kLeastRows, 4 * n_segments);
  int64_t parts = 1;
  while (2 * parts <= std::min(wanted, kMostParts)) parts *= 2;
  return parts;
}

// Four numbers that lie anywhere, and four that lie as the processor likes it.
template <typename T>
using Four [[gnu::vector_size(4 * sizeof(T)), gnu::aligned(alignof(T)), gnu::may_alias]] = T;
template <typename T>
struct alignas(4 * sizeof(T)) Cell {
  T of[4];
};

bool is_there(int32_t segment, int64_t n_segments) {
  return static_cast<uint64_t>(int64_t{segment}) < static_cast<uint64_t>(n_segments);
}

// Adds rows [begin, end) of n to the sums, which have `stride` numbers a segment.
template <typename T>
void add_rows(const T* values, const int32_t* segments, int64_t begin, int64_t end,
              int64_t n_segments, int64_t width, int64_t stride, T* sums) {
  for (int64_t i = begin; i < end; ++i) {
    if (!is_there(segments[i], n_segments)) continue;
    const T* row = values + i * width;
    T* sum = sums + segments[i] * stride;
    for (int64_t k = 0; k < width; ++k) sum[k] += row[k];
  }
}

// The same for rows of 3 and sums of 4 numbers: one addition a row instead of three. The fourth
// is the next row's first and goes into a sum that nobody reads; the last row of all has no next.
template <typename T>
void add_triples(const T* values, const int32_t* segments, int64_t begin, int64_t end, int64_t n,
                 int64_t n_segments, T* sums) {
  const int64_t stop = std::min(end, n - 1);
  for (int64_t i = begin; i < stop; ++i) {
    if (!is_there(segments[i], n_segments)) continue;
    *reinterpret_cast<Four<T>*>(sums + 4 * int64_t{segments[i]}) +=
        *reinterpret_cast<const Four<T>*>(values + 3 * i);
  }
  add_rows(values, segments, std::max(begin, stop), end, n_segments, 3, 4, sums);
}

// Sums of the parts for segments [begin, end), in the order of the parts, whoever made them.
template <typename T>
void add_parts(const Cell<T>* parts, int64_t n_parts, int64_t size, int64_t begin, int64_t end,
               int64_t width, int64_t stride, T* sums) {
  for (int64_t segment = begin; segment < end; ++segment) {
    for (int64_t k = 0; k < width; ++k) {
      T sum = 0;
      for (int64_t part = 0; part < n_parts; ++part)
        sum += parts[part * size].of[segment * stride + k];
      sums[segment * width + k] = sum;
    }
  }
}

template <typename T>
void add_triples_of_parts(const Cell<T>* parts, int64_t n_parts, int64_t begin, int64_t end,
                          int64_t n_segments, T* sums) {
  for (int64_t segment = begin; segment < end; ++segment) {
    Four<T> sum = {};
    for (int64_t part = 0; part < n_parts; ++part)
      sum += *reinterpret_cast<const Four<T>*>(parts[part * n_segments + segment].of);
    for (int k = 0; k < 3; ++k) sums[3 * segment + k] = sum[k];
  }
}

template <typename T>
void sum_rows(ffi::ThreadPool& pool, const T* values, const int32_t* segments, int64_t n,
              int64_t n_segments, int64_t width, T* sums) {
  const int64_t parts = n_parts(n, n_segments);
  const int64_t stride = width == 3 ? 4 : width;
  const int64_t size = (n_segments * stride + 3) / 4;
  const std::unique_ptr<Cell<T>[]> own_sums(new Cell<T>[parts * size]);
  gradion::parallel_for(pool, parts, [&](int64_t part) {
    T* own = own_sums[part * size].of;
    std::fill_n(own, 4 * size, T(0));
    const int64_t begin = n * part / parts, end = n * (part + 1) / parts;
    if (width == 3)
      add_triples(values, segments, begin, end, n, n_segments, own);
    else
      add_rows(values, segments, begin, end, n_segments, width, stride, own);
  });
  // Only where it is worth waking a second thread a second time.
  const int64_t slabs = parts * size < 4 * kLeastRows ? 1 : parts;
  gradion::parallel_for(pool, slabs, [&](int64_t slab) {
    const int64_t begin = n_segments * slab / slabs, end = n_segments * (slab + 1) / slabs;
    if (width == 3)
      add_triples_of_parts(own_sums.get(), parts, begin, end, n_segments, sums);
    else
      add_parts(own_sums.get(), parts, size, begin, end, width, stride, sums);
  });
}

template <ffi::DataType T>
ffi::Error Sum(ffi::ThreadPool pool, int64_t n_segments, Rows<T> values, Segments segments,
               ffi::Result<Rows<T>> sums) {
  sum_rows(pool, values.typed_data(), segments.typed_data(), segments.dimensions()[0], n_segments,
           values.dimensions()[1], sums->typed_data());
  return ffi::Error::Success();
}

// Linear in the values: the derivative along a tangent is the sum of the tangent.
template <ffi::DataType T>
ffi::Error Jvp(ffi::ThreadPool pool, int64_t n_segments, Rows<T>, Segments segments,
               Rows<T> tangent, ffi::Result<Rows<T>> sums) {
  return Sum<T>(pool, n_segments, tangent, segments, sums);
}

template <ffi::DataType T>
ffi::Error Vjp(ffi::ThreadPool pool, int64_t n_segments, Rows<T>, Segments segments,
               Rows<T> cotangent, ffi::Result<Rows<T>> values) {
  const int64_t n = segments.dimensions()[0], width = cotangent.dimensions()[1];
  const auto* from = cotangent.typed_data();
  auto* to = values->typed_data();
  const int64_t parts = std::max<int64_t>(1, n / kLeastRows);
  gradion::parallel_for(pool, parts, [&](int64_t part) {
    for (int64_t i = n * part / parts; i < n * (part + 1) / parts; ++i) {
      const int32_t segment = segments.typed_data()[i];
      if (is_there(segment, n_segments))
        std::copy_n(from + int64_t{segment} * width, width, to + i * width);
      else
        std::fill_n(to + i * width, width, 0);
    }
  });
  return ffi::Error::Success();
}

}  // namespace

#define BIND ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Attr<int64_t>("n_segments")
#define HANDLERS(BITS, T)                                                                   \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(SegmentSum##BITS, Sum<T>,                                   \
                                BIND.Arg<Rows<T>>().Arg<Segments>().Ret<Rows<T>>());        \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(                                                            \
      SegmentSumJvp##BITS, Jvp<T>,                                                          \
      BIND.Arg<Rows<T>>().Arg<Segments>().Arg<Rows<T>>().Ret<Rows<T>>());                   \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(SegmentSumVjp##BITS, Vjp<T>,                                \
                                BIND.Arg<Rows<T>>().Arg<Segments>().Arg<Rows<T>>().Ret<Rows<T>>())
HANDLERS(32, ffi::F32);
HANDLERS(64, ffi::F64);
