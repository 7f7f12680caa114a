"""Networks as the pages' own JavaScript reads them: one file with a JSON header and the weights behind it.

    4 bytes: the header's length, little-endian; the header; the arrays, each on a multiple of 4 bytes

Weights that float16 holds exactly, as all released ones, are stored so.
"""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np


def pack(path: Path, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write the file; `header` gets {"arrays": {name: {"offset", "shape", "half"}}}."""
    index, parts, offset = {}, [], 0
    for name, array in arrays.items():
        values = np.ascontiguousarray(array, "float32")
        half = values.astype("float16")
        exact = bool((half.astype("float32") == values).all())
        content = (half if exact else values).tobytes()
        content += bytes(-len(content) % 4)
        index[name] = {"offset": offset, "shape": list(values.shape), "half": exact}
        parts.append(content)
        offset += len(content)
    words = json.dumps({**header, "arrays": index}, ensure_ascii=False).encode()
    words += b" " * (-len(words) % 4)
    path.write_bytes(struct.pack("<I", len(words)) + words + b"".join(parts))
