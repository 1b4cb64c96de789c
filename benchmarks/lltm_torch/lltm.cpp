// The LLTM cell as a torch extension: what is compared with. Two functions, bound by pybind11.
#include <torch/extension.h>

#include <vector>

// new h, new cell, and what the backward pass wants: X, input gate, output gate, candidate and
// tanh of the new cell.
std::vector<torch::Tensor> forward(torch::Tensor weight, torch::Tensor bias, torch::Tensor input,
                                   torch::Tensor old_h, torch::Tensor old_cell) {
  auto x = torch::cat({old_h, input}, 1);
  auto gates = torch::addmm(bias, x, weight.t()).chunk(3, 1);
  auto input_gate = torch::sigmoid(gates[0]);
  auto output_gate = torch::sigmoid(gates[1]);
  auto candidate = torch::elu(gates[2]);
  auto new_cell = old_cell + candidate * input_gate;
  auto squashed = torch::tanh(new_cell);
  return {squashed * output_gate, new_cell, x, input_gate, output_gate, candidate, squashed};
}

// Gradients of weight, bias, input, old h and old cell.
std::vector<torch::Tensor> backward(torch::Tensor h_bar, torch::Tensor cell_bar, torch::Tensor weight,
                                    torch::Tensor x, torch::Tensor input_gate,
                                    torch::Tensor output_gate, torch::Tensor candidate,
                                    torch::Tensor squashed) {
  auto cell = cell_bar + h_bar * output_gate * (1 - squashed * squashed);
  // elu has the slope 1 + elu where its argument is not positive.
  auto slope = torch::where(candidate > 0, torch::ones_like(candidate), 1 + candidate);
  auto gates = torch::cat({cell * candidate * input_gate * (1 - input_gate),
                           h_bar * squashed * output_gate * (1 - output_gate),
                           cell * input_gate * slope},
                          1);
  auto x_bar = gates.mm(weight);
  const auto state = cell.size(1);
  return {gates.t().mm(x), gates.sum(0), x_bar.slice(1, state), x_bar.slice(1, 0, state), cell};
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("forward", &forward);
  m.def("backward", &backward);
}
