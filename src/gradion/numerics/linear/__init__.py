"""Structured Jacobian matrices: how they are formed, and how they are solved."""

from gradion.numerics.linear.bordered_tridiagonal import BorderedTridiagonal
from gradion.numerics.linear.dense import Dense
from gradion.numerics.linear.structure import AbstractStructure

__all__ = ["AbstractStructure", "BorderedTridiagonal", "Dense"]
