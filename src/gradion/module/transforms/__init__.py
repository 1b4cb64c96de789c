"""Transformations of JAX for functions of Modules, which keep what is written into these."""

from gradion.module.transforms.checkpoint import checkpoint
from gradion.module.transforms.grad import backward, grad, jvp, value_and_grad
from gradion.module.transforms.jit import jit
from gradion.module.transforms.scan import scan
from gradion.module.transforms.vmap import vmap

__all__ = ["backward", "checkpoint", "grad", "jit", "jvp", "scan", "value_and_grad", "vmap"]
