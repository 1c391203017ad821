"""How many jobs run at once, and how patiently."""

from pydantic import Field

from ...options import Options


class JobOptions(Options):
    """For the supervisor of a service's jobs."""

    job_slots: int = Field(1, ge=1, le=64)
    """Jobs that run at once; the cores are shared out between them."""
    lease_seconds: float = Field(15.0, ge=1, le=3600)
    """After a service is lost, another one takes its jobs up so much later."""
    grace_seconds: float = Field(20.0, ge=0, le=600)
    """A job that is asked to end has so long to do so before it is killed; nothing finished is lost either way."""
    poll_seconds: float = Field(0.5, gt=0, le=60)
    """Between two looks for new jobs and cancellations."""
