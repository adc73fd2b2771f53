"""Names for the arrays that the package passes around."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
ByteArray = NDArray[np.uint8]
IntArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]
RealArray = NDArray[np.floating[Any]]  # of whatever precision a model gives
AnyArray = NDArray[Any]

ChannelOrder = Literal["bgr", "rgb"]
