"""Makes the cases importable: tests are imported by path, what they share is not."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
