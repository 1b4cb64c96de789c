"""Make the example's measured curves from the full ones: fewer points, the same curve.

    GRADION_REFERENCE=... python tools/thin_enertech.py [FOLDER]

reads `cell/enertech/*_discharge_{U,T}.txt` below the folder GRADION_REFERENCE and writes
`discharge-*.csv` to FOLDER, by default examples/enertech. Nobody needs to run it to use gradion.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

__all__ = ["main", "thinned"]

NOMINAL_CAPACITY = 2.28  # [A h]
RATES = ("0.5", "1", "2")
POINTS = 125
BACKBONE = 70
FROM_TIME = 2.0  # [s] before it the current is still being set
HEADER = """\
# Enertech SPB655060 lithium-ion pouch cell (graphite, LiCoO2), nominal capacity 2.28 A h.
# Discharge at {rate}C = {current:g} A from full charge to 3 V, measured at the cell's terminals.
# Measured by Rieger et al., J. Electrochem. Soc. 163 (2016) A1566-A1575;
# published as data with Ai et al., J. Electrochem. Soc. 167 (2020) 013512,
# doi:10.1149/2.0122001JES (beginning of life).
# Thinned from {full} samples at 1 Hz to {points}: straight lines between the points leave
# {rms:.2f} mV rms and at most {worst:.2f} mV of the full curve from 2 s on.
# The temperature rise is interpolated at the same times.
time_s,voltage_V,temperature_rise_K
"""


def thinned(t: np.ndarray, y: np.ndarray, count: int) -> np.ndarray:
    """Indices of `count` points that straight lines through them follow the curve best.

    An equidistant backbone, so that no long stretch hangs on two points, and then always the
    point where the curve is farthest from the line.
    """
    first = np.searchsorted(t, FROM_TIME)
    backbone = np.linspace(first, t.size - 1, BACKBONE).round().astype(int)
    chosen = sorted({*range(first), *backbone.tolist()})
    while len(chosen) < count:
        gap = np.abs(np.interp(t, t[chosen], y[chosen]) - y)
        chosen = sorted({*chosen, int(np.argmax(gap))})
    return np.array(chosen)


def main(arguments: list[str]) -> int:
    """Write the files; return the exit status."""
    reference = os.environ.get("GRADION_REFERENCE")
    if not reference:
        print("thin_enertech: GRADION_REFERENCE is not set", file=sys.stderr)
        return 2
    root = Path(__file__).resolve().parent.parent
    target = Path(arguments[0]) if arguments else root / "examples" / "enertech"
    for rate in RATES:
        source = Path(reference) / "cell" / "enertech"
        t, voltage = np.loadtxt(source / f"{rate}C_discharge_U.txt", unpack=True)
        rise = np.interp(t, *np.loadtxt(source / f"{rate}C_discharge_T.txt", unpack=True))
        kept = thinned(t, voltage, POINTS)
        error = 1e3 * (np.interp(t, t[kept], voltage[kept]) - voltage)[t >= FROM_TIME]
        header = HEADER.format(
            rate=rate,
            current=float(rate) * NOMINAL_CAPACITY,
            full=t.size,
            points=POINTS,
            rms=float(np.sqrt(np.mean(error**2))),
            worst=float(np.max(np.abs(error))),
        )
        rows = [f"{t[i]:g},{voltage[i]:.5f},{rise[i]:.4f}" for i in kept]
        path = target / f"discharge-{rate}C.csv"
        path.write_text(header + "\n".join(rows) + "\n", encoding="ascii")
        print(f"{path.name}: {len(rows)} points")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
