"""Write networks for the JavaScript of the live pages: one file with a JSON header and the weights after it.

    4 bytes: length of the header, little-endian; the header; the arrays, each at a multiple of 4 bytes

Arrays that float16 represents exactly are stored in float16. All released weights are such arrays.
"""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np


def pack(path: Path, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write the file. Adds {"arrays": {name: {"offset", "shape", "half"}}} to the header."""
    index, parts, offset = {}, [], 0
    for name, array in arrays.items():
        values = np.ascontiguousarray(array, "float32")
        half = values.astype("float16")
        is_exact = bool((half.astype("float32") == values).all())
        content = (half if is_exact else values).tobytes()
        content += bytes(-len(content) % 4)
        index[name] = {"offset": offset, "shape": list(values.shape), "half": is_exact}
        parts.append(content)
        offset += len(content)
    encoded = json.dumps({**header, "arrays": index}, ensure_ascii=False).encode()
    encoded += b" " * (-len(encoded) % 4)
    path.write_bytes(struct.pack("<I", len(encoded)) + encoded + b"".join(parts))
