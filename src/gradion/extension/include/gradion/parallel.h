// Work of a handler spread over XLA's own threads.
//
//   XLA_FFI_DEFINE_HANDLER_SYMBOL(F, f, ffi::Ffi::Bind().Ctx<ffi::ThreadPool>()...);
//   ffi::Error f(ffi::ThreadPool pool, ...) {
//     gradion::parallel_for(pool, n_tasks, [&](int64_t task) { ... });
//   }
//
// The tasks are the same for any number of threads: a result is bit-equal for all of them if each
// task writes what is its own and sums over tasks are made in their order. So the number of tasks
// must follow from the problem and never from num_threads.
#ifndef GRADION_PARALLEL_H_
#define GRADION_PARALLEL_H_

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>

#include "xla/ffi/api/ffi.h"

namespace gradion {

// Threads that a handler may use: GRADION_NUM_THREADS, read at each call, else those of the pool.
inline int64_t num_threads(const xla::ffi::ThreadPool& pool) {
  if (const char* text = std::getenv("GRADION_NUM_THREADS")) {
    const long long asked = std::atoll(text);
    if (asked > 0) return asked;
  }
  const int64_t there = pool.num_threads();
  return there > 0 ? there : 1;
}

// Some 10 to 50 us of waiting.
constexpr int kSpins = 1000;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Calls body(task) for each task in [0, n_tasks), in any order and on several threads.
//
// The caller works too, and waits for begun tasks only: a pool whose threads are all busy, or all
// wait for others, delays nothing. The first exception of a task is thrown here after the last
// task; tasks that have not begun by then are left out.
template <typename Body>
void parallel_for(xla::ffi::ThreadPool& pool, int64_t n_tasks, Body&& body) {
  if (n_tasks <= 0) return;
  const int64_t n_workers = std::min(num_threads(pool), n_tasks);
  if (n_workers <= 1) {
    for (int64_t task = 0; task < n_tasks; ++task) body(task);
    return;
  }
  // Shared: a worker may start when the caller is gone. It then finds no task and ends.
  struct State {
    std::atomic<int64_t> next{0};
    std::atomic<int64_t> finished{0};
    std::atomic<bool> failed{false};
    std::exception_ptr error;
    std::mutex mutex;
    std::condition_variable all_finished;
  };
  auto state = std::make_shared<State>();
  auto work = [state, n_tasks, &body] {
    for (int64_t task; (task = state->next.fetch_add(1)) < n_tasks;) {
      if (!state->failed.load(std::memory_order_relaxed)) {
        try {
          body(task);
        } catch (...) {
          const std::lock_guard<std::mutex> lock(state->mutex);
          if (!state->error) state->error = std::current_exception();
          state->failed = true;
        }
      }
      if (state->finished.fetch_add(1) + 1 == n_tasks) {
        const std::lock_guard<std::mutex> lock(state->mutex);
        state->all_finished.notify_one();
      }
    }
  };
  // A copy for each: the pool keeps what it is given.
  for (int64_t worker = 1; worker < n_workers; ++worker) pool.Schedule(decltype(work)(work));
  work();
  // Most often the others are about to end: to be put to sleep and woken takes longer than that.
  for (int spin = 0; spin < kSpins && state->finished.load() < n_tasks; ++spin) pause();
  std::unique_lock<std::mutex> lock(state->mutex);
  state->all_finished.wait(lock, [&] { return state->finished.load() == n_tasks; });
  if (state->error) std::rethrow_exception(state->error);
}

}  // namespace gradion

#endif  // GRADION_PARALLEL_H_
