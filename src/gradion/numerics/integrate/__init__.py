"""Time integration of stiff systems, with exact derivatives of the discrete solution."""

from gradion.numerics.integrate.settings import Settings
from gradion.numerics.integrate.solve import Solution, solve
from gradion.numerics.integrate.status import IntegrationError, Status
from gradion.numerics.integrate.system import Crossing, Event, System
from gradion.numerics.integrate.tableau import ESDIRK43, EsdirkTableau
from gradion.numerics.integrate.trajectory import Steps

__all__ = [
    "ESDIRK43",
    "Crossing",
    "EsdirkTableau",
    "Event",
    "IntegrationError",
    "Settings",
    "Solution",
    "Status",
    "Steps",
    "System",
    "solve",
]
