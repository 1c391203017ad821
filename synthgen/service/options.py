"""How the service is set up; the operator's choices, never a caller's."""

from __future__ import annotations

from pydantic import Field, model_validator

from ..errors import UserError
from ..options import Options


class ServeOptions(Options):
    """What is served, with what, and how much of it at a time."""

    recipes: tuple[str, ...] = Field(min_length=1)
    """Recipes (paths, or names of shipped ones) and folders of runs."""
    state: str = "service"
    """Folder of jobs, their datasets and, without `database`, of their database."""
    database: str | None = None
    """SQLAlchemy URL, such as postgresql+psycopg://user@host/synthgen; null: SQLite below `state`.
    Left out, it is taken from SYNTHGEN_DATABASE."""
    keys_file: str | None = None
    """File of bearer keys, a line `name:key` each; left out, they are taken from SYNTHGEN_KEYS."""
    anonymous: bool = False
    """Serve without keys. Only for an address that nobody else reaches."""
    rows_per_request: int = Field(1024, ge=1, le=1_000_000)
    """Rows of one `/v1/generate`; a recipe may set less."""
    body_bytes: int = Field(65_536, ge=256, le=2**30)
    """Largest body of a request."""
    queue: int = Field(64, ge=1, le=100_000)
    """Requests for rows that are under way or wait; one more is answered 429."""
    requests_per_key: int = Field(16, ge=1, le=100_000)
    """Of these, at most so many of one key."""
    rows_per_minute: int = Field(100_000, ge=1)
    """Rows that one key may ask for in a minute."""
    jobs_per_key: int = Field(10, ge=1, le=100_000)
    """Jobs of one key that are not ended."""
    job_slots: int = Field(1, ge=1, le=256)
    """Jobs that run at a time."""
    replicas: tuple[int, int] | None = None
    """Fewest and most replicas of the models; between them Serve chooses by load. null: one a GPU of this machine."""
    threads_per_replica: int | None = Field(None, ge=1, le=1024)
    """Cores of each replica; null: this machine's cores, shared out."""
    gpus_per_replica: float | None = Field(None, ge=0, le=64)
    """GPUs of each replica; 0.5: two share one. null: one each where there are any."""
    models_per_replica: int = Field(2, ge=1, le=1000)
    """Models that a replica keeps in memory; the one that was not asked for longest goes."""
    idle_seconds: float = Field(1800, gt=0)
    """A model that nobody asked for so long is dropped."""

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> ServeOptions:
        if self.replicas is not None and not 1 <= self.replicas[0] <= self.replicas[1] <= 1024:
            raise UserError(
                f"replicas: {list(self.replicas)} is not 1 to 1024, the smaller first; write such as [1, 4]"
            )
        return self
