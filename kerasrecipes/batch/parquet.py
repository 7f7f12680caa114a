"""Shards as Parquet: the same rows in typed columns."""

import io
from typing import Any

from kerasrecipes.errors import BackendUnavailable

MAP_COLUMN = "class_areas"  # Arrow stores a map as a list of pairs


def import_pyarrow() -> Any:
    """Import pyarrow.

    Raises:
        BackendUnavailable: It is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise BackendUnavailable('Parquet needs pyarrow: pip install "kerasrecipes[parquet]"') from error
    return pyarrow


def parquet_schema(columns: Any) -> Any:
    """Return the Arrow types of the columns, which are the same for every shard of a run."""
    pa = import_pyarrow()
    words = pa.struct(
        [("text", pa.string()), ("start", pa.float64()), ("end", pa.float64()), ("confidence", pa.float64())]
    )
    class_probabilities = pa.struct([("name", pa.string()), ("probability", pa.float64())])
    hypotheses = pa.struct([("text", pa.string()), ("score", pa.float64())])
    types = {
        "words": pa.list_(words), "confidence": pa.float64(), "duration": pa.float64(),
        "top": pa.list_(class_probabilities), "alternatives": pa.list_(hypotheses), "width": pa.int32(),
        "height": pa.int32(), MAP_COLUMN: pa.map_(pa.string(), pa.float64()),
    }  # fmt: skip
    return pa.schema([(name, types.get(name, pa.string())) for name in columns])


def to_parquet(rows: list[dict[str, Any]]) -> bytes:
    """Encode rows as a Parquet file."""
    pa = import_pyarrow()
    plain = [{k: list(v.items()) if k == MAP_COLUMN and v else printable(v) for k, v in row.items()} for row in rows]
    file = io.BytesIO()
    pa.parquet.write_table(pa.Table.from_pylist(plain, parquet_schema(rows[0])), file)
    return file.getvalue()


def from_parquet(data: bytes) -> list[dict[str, Any]]:
    """Decode the rows of a Parquet file."""
    rows = import_pyarrow().parquet.read_table(io.BytesIO(data)).to_pylist()
    return [{k: dict(v) if k == MAP_COLUMN and v is not None else v for k, v in row.items()} for row in rows]


def printable(value: Any) -> Any:
    """Return a string with bytes that are not UTF-8, as in a Latin-1 file name, as escapes. Other values stay unchanged."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
