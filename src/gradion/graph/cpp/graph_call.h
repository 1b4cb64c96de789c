// A generated function behind the XLA FFI: checks the buffers, runs the examples one by one.
//
// Every buffer has an axis of examples in front, as gradion.extension.LeadingAxis asks for.
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace {

namespace ffi = xla::ffi;

struct GraphArray {
  ffi::DataType dtype;
  size_t size;     // elements
  size_t n_bytes;  // of one element
};

struct GraphFunction {
  const char* name;
  void (*run)(const void* const*, void* const*, void*);
  size_t workspace;
  std::vector<GraphArray> inputs, outputs;
};

template <typename Buffer>
ffi::Error CheckGraphBuffer(const GraphFunction& function, const Buffer& buffer,
                            const GraphArray& array, const char* what, size_t i,
                            size_t n_examples) {
  if (buffer.element_type() == array.dtype && buffer.element_count() == n_examples * array.size)
    return ffi::Error::Success();
  return ffi::Error::InvalidArgument(
      std::string(function.name) + ": " + what + " " + std::to_string(i) + " has " +
      std::to_string(buffer.element_count()) + " elements, expected " +
      std::to_string(n_examples) + " examples of " + std::to_string(array.size) +
      ", and the declared dtype");
}

struct FreeAligned {
  void operator()(void* memory) const { ::operator delete(memory, std::align_val_t(64)); }
};

ffi::Error CallGraph(const GraphFunction& function, ffi::RemainingArgs& args,
                     ffi::RemainingRets& rets) {
  const size_t n_inputs = function.inputs.size(), n_outputs = function.outputs.size();
  if (args.size() != n_inputs || rets.size() != n_outputs)
    return ffi::Error::InvalidArgument(
        std::string(function.name) + ": got " + std::to_string(args.size()) + " inputs and " +
        std::to_string(rets.size()) + " outputs, expected " + std::to_string(n_inputs) + " and " +
        std::to_string(n_outputs));
  size_t n_examples = 0;
  std::vector<const void*> inputs(n_inputs);
  std::vector<void*> outputs(n_outputs);
  for (size_t i = 0; i < n_inputs; ++i) {
    auto buffer = args.get<ffi::AnyBuffer>(i);
    if (!buffer) return buffer.error();
    if (buffer->dimensions().size() == 0)
      return ffi::Error::InvalidArgument(std::string(function.name) + ": an input has no axis");
    if (i == 0) n_examples = static_cast<size_t>(buffer->dimensions()[0]);
    ffi::Error error =
        CheckGraphBuffer(function, *buffer, function.inputs[i], "input", i, n_examples);
    if (error.failure()) return error;
    inputs[i] = buffer->untyped_data();
  }
  for (size_t i = 0; i < n_outputs; ++i) {
    auto buffer = rets.get<ffi::AnyBuffer>(i);
    if (!buffer) return buffer.error();
    ffi::Error error =
        CheckGraphBuffer(function, **buffer, function.outputs[i], "output", i, n_examples);
    if (error.failure()) return error;
    outputs[i] = (*buffer)->untyped_data();
  }
  // One for the whole call; examples use it one after the other.
  const std::unique_ptr<void, FreeAligned> workspace(
      function.workspace == 0 ? nullptr
                              : ::operator new(function.workspace, std::align_val_t(64)));
  for (size_t example = 0; example < n_examples; ++example) {
    function.run(inputs.data(), outputs.data(), workspace.get());
    for (size_t i = 0; i < n_inputs; ++i)
      inputs[i] = static_cast<const char*>(inputs[i]) +
                  function.inputs[i].size * function.inputs[i].n_bytes;
    for (size_t i = 0; i < n_outputs; ++i)
      outputs[i] =
          static_cast<char*>(outputs[i]) + function.outputs[i].size * function.outputs[i].n_bytes;
  }
  return ffi::Error::Success();
}

}  // namespace
