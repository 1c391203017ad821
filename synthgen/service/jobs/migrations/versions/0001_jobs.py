"""The table of jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("recipe", sa.String(64), nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("seed", sa.BigInteger),
        sa.Column("overrides", sa.JSON, nullable=False),
        sa.Column("idempotency_key", sa.String(255)),
        sa.Column("request_sha256", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("stage", sa.String(32), nullable=False),
        sa.Column("done", sa.Float(53), nullable=False),
        sa.Column("total", sa.Float(53)),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("eta_seconds", sa.Float(53)),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("started_at", moment),
        sa.Column("ended_at", moment),
        sa.Column("updated_at", moment, nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("lease_owner", sa.String(128)),
        sa.Column("lease_until", moment),
        sa.UniqueConstraint("owner", "idempotency_key", name="one_job_a_key"),
    )
    op.create_index("jobs_of_an_owner", "jobs", ["owner", "created_at", "id"])
    op.create_index("jobs_by_state", "jobs", ["state", "created_at", "id"])


def downgrade() -> None:
    op.drop_table("jobs")
