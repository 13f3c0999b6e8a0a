"""What the modules call an array in their signatures."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
Array = NDArray[Any]
