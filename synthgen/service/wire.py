"""Rows as they go over the wire: JSON lines, an Arrow stream or a Parquet file, each begun before all rows are made.

writer = WRITERS["json"]()
body = writer.add(answer, limit=3) + writer.end({"rows": 3})
"""

from __future__ import annotations

import io
import json
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from ..sampling.engine import Answer

Form = Literal["json", "parquet", "arrow"]


class Writer(ABC):
    """Turns answers into bytes of one body."""

    media: ClassVar[str]
    asks: ClassVar[Literal["json", "arrow"]]  # the form in which it wants answers
    light: ClassVar[bool] = False  # whether `add` costs less than handing it to a thread

    @abstractmethod
    def add(self, answer: Answer, limit: int) -> bytes:
        """The first `limit` rows of the answer."""

    @abstractmethod
    def end(self, summary: dict[str, Any]) -> bytes:
        """What closes the body."""


class JsonLines(Writer):
    """A row a line; the last line is {"end": true, …}."""

    media, asks, light = "application/x-ndjson", "json", True

    def add(self, answer: Answer, limit: int) -> bytes:
        return b"".join(row + b"\n" for row in answer.rows[:limit])

    def end(self, summary: dict[str, Any]) -> bytes:
        return json.dumps({"end": True, **summary}).encode() + b"\n"


class _Sink(io.RawIOBase):
    """A file that forgets what was taken out of it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._place = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._place += len(self._parts[-1])
        return len(self._parts[-1])

    def tell(self) -> int:
        return self._place

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


class _Tables(Writer):
    """Of formats that pyarrow writes into a file; what it has written so far is taken out after each answer."""

    asks = "arrow"

    def __init__(self) -> None:
        self._sink = _Sink()
        self._file: Any = None

    @abstractmethod
    def _open(self, sink: _Sink, schema: pa.Schema) -> Any: ...

    def add(self, answer: Answer, limit: int) -> bytes:
        with pa.ipc.open_stream(answer.rows[0]) as reader:
            table = reader.read_all().slice(0, limit)
        if self._file is None:
            self._file = self._open(self._sink, table.schema)
        if len(table):
            self._file.write_table(table)
        return self._sink.take()

    def end(self, summary: dict[str, Any]) -> bytes:
        assert self._file is not None, "a body without an answer"
        self._file.close()
        return self._sink.take()


class ArrowStream(_Tables):
    """Arrow IPC stream with the features in its schema's metadata."""

    media = "application/vnd.apache.arrow.stream"

    def _open(self, sink: _Sink, schema: pa.Schema) -> Any:
        return pa.ipc.new_stream(sink, schema)


class ParquetFile(_Tables):
    """A Parquet file that `datasets` reads with typed features; a row group an answer."""

    media = "application/vnd.apache.parquet"

    def _open(self, sink: _Sink, schema: pa.Schema) -> Any:
        return pq.ParquetWriter(sink, schema, compression="zstd")


WRITERS: dict[Form, type[Writer]] = {"json": JsonLines, "arrow": ArrowStream, "parquet": ParquetFile}
