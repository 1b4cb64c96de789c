// What the tests ask of gradion/parallel.h.
#include <stdexcept>
#include <vector>

#include "gradion/parallel.h"

namespace ffi = xla::ffi;

using Numbers = ffi::BufferR1<ffi::F64>;
using Results = ffi::ResultBufferR1<ffi::F64>;

// y_task = the sum of x from task on; throws in the task `bad`.
static ffi::Error Tails(ffi::ThreadPool pool, int64_t bad, Numbers x, Results y) {
  const int64_t n = x.element_count();
  gradion::parallel_for(pool, n, [&](int64_t task) {
    if (task == bad) throw std::runtime_error("task failed");
    double sum = 0;
    for (int64_t i = task; i < n; ++i) sum += x.typed_data()[i];
    y->typed_data()[task] = sum;
  });
  return ffi::Error::Success();
}

// Each task is spread again: more waiting callers than there are threads.
static ffi::Error Nested(ffi::ThreadPool pool, Numbers x, Results y) {
  const int64_t n = x.element_count();
  gradion::parallel_for(pool, n, [&](int64_t task) {
    std::vector<double> parts(n);
    gradion::parallel_for(pool, n, [&](int64_t part) { parts[part] = x.typed_data()[part]; });
    double sum = 0;
    for (double part : parts) sum += part;
    y->typed_data()[task] = sum;
  });
  return ffi::Error::Success();
}

static ffi::Error Threads(ffi::ThreadPool pool, Numbers, Results y) {
  y->typed_data()[0] = gradion::num_threads(pool);
  return ffi::Error::Success();
}

#define BIND ffi::Ffi::Bind().Ctx<ffi::ThreadPool>()
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    TailsHandler, Tails, BIND.Attr<int64_t>("bad").Arg<Numbers>().Ret<Numbers>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(NestedHandler, Nested, BIND.Arg<Numbers>().Ret<Numbers>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(ThreadsHandler, Threads, BIND.Arg<Numbers>().Ret<Numbers>());
