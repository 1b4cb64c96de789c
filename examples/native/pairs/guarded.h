// Wrong input, thrown as std::invalid_argument, becomes an error of the call.
#ifndef PAIRS_GUARDED_H_
#define PAIRS_GUARDED_H_

#include <stdexcept>
#include <string>

#include "xla/ffi/api/ffi.h"

namespace pairs {

template <class Body>
xla::ffi::Error guarded(const char* name, Body&& body) {
  try {
    body();
    return xla::ffi::Error::Success();
  } catch (const std::invalid_argument& error) {
    return xla::ffi::Error::InvalidArgument(std::string(name) + ": " + error.what());
  }
}

}  // namespace pairs

#endif  // PAIRS_GUARDED_H_
