"""Shards as Parquet: the same rows in typed columns."""

import io
from typing import Any

from kerasrecipes.errors import BackendUnavailable


def import_pyarrow() -> Any:
    """
    Raises:
        BackendUnavailable: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise BackendUnavailable('Parquet needs pyarrow: pip install "kerasrecipes[parquet]"') from error
    return pyarrow


def schema(verb: str, columns: Any) -> Any:
    """Of a verb's rows: the same for every shard, whatever is in it."""
    pa = import_pyarrow()
    words = pa.struct(
        [("text", pa.string()), ("start", pa.float64()), ("end", pa.float64()), ("confidence", pa.float64())]
    )
    guesses = pa.struct([("name", pa.string()), ("probability", pa.float64())])
    readings = pa.struct([("text", pa.string()), ("score", pa.float64())])
    kinds = {
        "words": pa.list_(words), "confidence": pa.float64(), "duration": pa.float64(), "top": pa.list_(guesses),
        "alternatives": pa.list_(readings), "width": pa.int32(), "height": pa.int32(),
        "areas": pa.map_(pa.string(), pa.float64()),
    }  # fmt: skip
    return pa.schema([(name, kinds.get(name, pa.string())) for name in columns])


def to_parquet(rows: list[dict[str, Any]], verb: str) -> bytes:
    """Rows as a Parquet file."""
    pa = import_pyarrow()
    plain = [
        {k: list(v.items()) if k == "areas" and v else v for k, v in row.items()} for row in rows
    ]  # Arrow's maps are lists of pairs
    file = io.BytesIO()
    pa.parquet.write_table(pa.Table.from_pylist(plain, schema(verb, rows[0])), file)
    return file.getvalue()


def from_parquet(data: bytes) -> list[dict[str, Any]]:
    """The rows of a Parquet file."""
    rows = import_pyarrow().parquet.read_table(io.BytesIO(data)).to_pylist()
    return [{k: dict(v) if k == "areas" and v is not None else v for k, v in row.items()} for row in rows]
