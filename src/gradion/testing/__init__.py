"""Checks for numerical code: orders of convergence, gradients, adjoints."""

from gradion.testing.adjoint import assert_adjoint
from gradion.testing.gradient import assert_gradient
from gradion.testing.order import assert_order

__all__ = ["assert_adjoint", "assert_gradient", "assert_order"]
