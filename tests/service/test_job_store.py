"""The job store on SQLite and on a real PostgreSQL, by many threads at once."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import inspect
from sqlalchemy.engine import make_url

from synthgen.errors import UserError
from synthgen.service.jobs.database import migrate, open_engine
from synthgen.service.jobs.job import Conflict, QuotaReached, Standing, UnknownCursor
from synthgen.service.jobs.store import MOST_ATTEMPTS, JobStore
from synthgen.service.jobs.table import JOBS

THREADS = 12


@pytest.fixture
def store(database_url):
    opened = JobStore(database_url)
    yield opened
    opened.close()


def ask(store, owner="ann", key=None, limit=1000, count=5, seed=None, overrides=None):
    return store.create(owner, "digits", count, seed, overrides or {}, key, limit)


def at_once(work, times=THREADS):
    """What `work(number)` gives or raises, in as many threads that all begin together."""
    gate = threading.Barrier(times)

    def call(number):
        gate.wait()
        try:
            return work(number)
        except Exception as error:
            return error

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(call, range(times)))


def test_a_job_is_kept_as_it_was_asked_for(store):
    before = datetime.now(UTC) - timedelta(seconds=5)
    job, created = ask(store, seed=2**63 - 1, overrides={"conditions.balance": {"1": 0.5, "ä": 2}}, count=10**8)
    assert created and (job.state, job.attempt, job.rows, job.cancel_requested) == ("queued", 0, 0, False)
    assert (job.seed, job.count, job.overrides) == (2**63 - 1, 10**8, {"conditions.balance": {"1": 0.5, "ä": 2}})
    assert before < job.created_at < datetime.now(UTC) + timedelta(seconds=5) and job.created_at.tzinfo is UTC
    assert len(job.id) == 32 and store.get(job.id, "ann") == job == store.get(job.id, None)
    assert store.count() == {"queued": 1, "running": 0, "done": 0, "failed": 0, "cancelled": 0}


def test_another_owners_job_is_not_there(store):
    job, _ = ask(store)
    assert store.get(job.id, "bob") is None and store.request_cancel(job.id, "bob") is None
    assert store.list("bob", None, 10) == ([], None) and store.get("no such job", "ann") is None
    assert store.get(job.id, "ann").state == "queued"
    with pytest.raises(UnknownCursor):
        store.list("bob", job.id, 10)
    assert [found.id for found in store.list(None, None, 10)[0]] == [job.id]


def test_the_same_key_gives_the_same_job_and_another_request_conflicts(store):
    job, _ = ask(store, key="k")
    assert ask(store, key="k") == (job, False)
    for changed in ({"count": 6}, {"seed": 0}, {"overrides": {"sample.steps": 3}}):
        with pytest.raises(Conflict):
            ask(store, key="k", **changed)
    other, created = ask(store, owner="bob", key="k")
    assert created and other.id != job.id
    assert ask(store, key="k", limit=1) == (job, False), "a repeated request counts towards no quota"


def test_one_job_for_a_key_however_many_ask_at_once(store):
    found = at_once(lambda number: ask(store, key="k"))
    assert sum(created for _, created in found) == 1 and len({job.id for job, _ in found}) == 1


def test_a_quota_holds_however_many_ask_at_once(store):
    found = at_once(lambda number: ask(store, limit=5))
    refused = [outcome for outcome in found if isinstance(outcome, QuotaReached)]
    assert len(refused) == THREADS - 5 and store.count()["queued"] == 5
    ask(store, owner="bob", limit=5)
    assert store.request_cancel(store.list("ann", None, 1)[0][0].id, "ann").state == "cancelled"
    ask(store, limit=5)
    with pytest.raises(QuotaReached):
        ask(store, limit=5)


def test_claims_by_many_never_give_a_job_twice(store):
    asked = {ask(store)[0].id for _ in range(40)}

    def claim_all(number):
        found = []
        while (job := store.claim(f"host-{number}", 60)) is not None:
            found.append(job.id)
        return found

    claimed = at_once(claim_all)
    assert sorted(id for found in claimed for id in found) == sorted(asked)
    assert store.count()["running"] == 40


def test_the_oldest_is_claimed_first(store):
    asked = [ask(store, owner=owner)[0].id for owner in ("ann", "bob", "ann")]
    assert [store.claim("host", 60).id for _ in asked] == asked and store.claim("host", 60) is None


def test_pages_lose_and_repeat_nothing_while_jobs_come_in(store):
    before = [ask(store)[0].id for _ in range(25)]
    ask(store, owner="bob")
    found, after = [], None
    while True:
        jobs, after = store.list("ann", after, 4)
        found += [job.id for job in jobs]
        ask(store)
        if after is None:
            break
    assert found == before[::-1]
    assert len(store.list("ann", None, 1000)[0]) == 25 + 7


def test_pages_of_a_state(store):
    asked = [ask(store)[0].id for _ in range(6)]
    for id in asked[::2]:
        store.request_cancel(id, "ann")
    assert [job.id for job in store.list("ann", None, 10, "cancelled")[0]] == asked[::2][::-1]
    jobs, after = store.list("ann", None, 2, "queued")
    assert [job.id for job in jobs + store.list("ann", after, 2, "queued")[0]] == asked[1::2][::-1]


def test_a_lease_keeps_others_away_until_it_is_over(store):
    job, _ = ask(store)
    first = store.claim("one", 0.6)
    assert first.state == "running" and first.lease_owner == "one" and first.started_at is not None
    assert store.claim("two", 60) is None and store.renew("one", 0.6) == {job.id: False}
    time.sleep(0.7)
    assert store.claim("one", 60) is None, "one's own lease is to be renewed"
    second = store.claim("two", 60)
    assert (second.id, second.attempt, second.started_at) == (job.id, 1, first.started_at)
    assert store.renew("one", 60) == {} and store.renew("two", 60) == {job.id: False}


def test_a_former_holder_writes_nothing(store):
    job, _ = ask(store)
    store.claim("one", 0.1)
    time.sleep(0.2)
    store.claim("two", 60)
    assert not store.report(job.id, "one", Standing("sample", 3, 5)) and not store.finish(job.id, "one", "failed", "x")
    assert store.release(job.id, "one", died=True) is None
    assert store.report(job.id, "two", Standing("sample", 2.5, 5, 2, 1.5))
    now = store.get(job.id, "ann")
    assert (now.stage, now.done, now.total, now.rows, now.eta_seconds) == ("sample", 2.5, 5, 2, 1.5)
    assert store.finish(job.id, "two", "done", rows=5) and not store.finish(job.id, "two", "failed")
    now = store.get(job.id, "ann")
    assert (now.state, now.rows, now.eta_seconds, now.lease_owner) == ("done", 5, None, None)
    assert now.created_at <= now.started_at <= now.ended_at


def test_a_job_that_kills_its_process_is_given_up(store):
    job, _ = ask(store)
    for died in range(1, MOST_ATTEMPTS + 1):
        assert store.claim("one", 60).attempt == died - 1
        assert store.release(job.id, "one", died=False).attempt == died - 1
        store.claim("one", 60)
        left = store.release(job.id, "one", died=True)
    assert left.state == "failed" and "died 5 times" in left.message and store.claim("one", 60) is None


def test_leases_that_run_out_count_as_deaths(store):
    job, _ = ask(store)
    for number in range(MOST_ATTEMPTS):
        assert store.claim(f"host-{number}", 0.05).attempt == number
        time.sleep(0.1)
    assert store.claim("host", 60) is None and store.get(job.id, "ann").state == "failed"


def test_cancelling_at_every_state(store):
    queued, _ = ask(store)
    assert store.request_cancel(queued.id, "ann").state == "cancelled"
    assert store.claim("one", 60) is None
    running, _ = ask(store)
    store.claim("one", 60)
    asked = store.request_cancel(running.id, "ann")
    assert (asked.state, asked.cancel_requested) == ("running", True)
    assert store.to_cancel("one") == {running.id} and store.renew("one", 60) == {running.id: True}
    assert store.request_cancel(running.id, "ann").state == "running"
    assert store.finish(running.id, "one", "cancelled") and store.to_cancel("one") == set()
    for outcome in ("done", "failed"):
        job, _ = ask(store)
        store.claim("one", 60)
        store.finish(job.id, "one", outcome, "so it is")
        after = store.request_cancel(job.id, "ann")
        assert (after.state, after.message, after.cancel_requested) == (outcome, "so it is", False)


def test_a_cancelled_job_is_not_taken_up_again(store):
    ids = [ask(store)[0].id for _ in range(3)]
    for _ in ids:
        store.claim("one", 0.2)
    for id in ids:
        store.request_cancel(id, "ann")
    assert store.release(ids[0], "one", died=True).state == "cancelled"
    assert store.finish(ids[1], "one", "failed", "it was interrupted") and store.get(ids[1], "ann").message == ""
    time.sleep(0.3)
    assert store.claim("two", 60) is None
    assert {store.get(id, "ann").state for id in ids} == {"cancelled"}
    assert store.cancelled_among([*ids, "x"]) == set(ids)


def test_cancels_and_claims_at_once_leave_no_job_between(store):
    ids = [ask(store)[0].id for _ in range(THREADS)]
    at_once(lambda number: store.claim("one", 60) if number % 2 else store.request_cancel(ids[number], "ann"))
    for id in ids:
        job = store.get(id, "ann")
        assert (job.state == "running") == (job.lease_owner == "one") and job.state in (
            "running",
            "queued",
            "cancelled",
        )
    assert store.renew("one", 60).keys() == {id for id in ids if store.get(id, "ann").state == "running"}


OPEN = "import sys; from synthgen.service.jobs.store import JobStore; JobStore(sys.stdin.readline().strip()).close()"


def test_services_that_start_at_once_make_the_tables_once(database_url):
    started = [
        subprocess.Popen([sys.executable, "-c", OPEN], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in started:
        process.stdin.write(database_url + "\n")
        process.stdin.flush()
    for process in started:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    found = at_once(lambda number: JobStore(database_url), 4)
    assert all(isinstance(store, JobStore) for store in found), found
    assert ask(found[0])[1]
    for store in found:
        store.close()


def test_the_tables_are_those_that_the_code_knows(database_url):
    engine = open_engine(database_url)
    migrate(engine)
    migrate(engine)
    inspected = inspect(engine)
    made = {column["name"]: column["nullable"] for column in inspected.get_columns("jobs")}
    assert made == {column.name: bool(column.nullable) for column in JOBS.columns}
    assert {tuple(found["column_names"]) for found in inspected.get_unique_constraints("jobs")} == {
        ("owner", "idempotency_key")
    }
    engine.dispose()


def test_tables_of_a_newer_version_are_left_alone(database_url):
    engine = open_engine(database_url)
    migrate(engine)
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(UserError, match="^database: its tables are of a newer version"):
        migrate(engine)
    engine.dispose()


@pytest.mark.parametrize(
    "url, told",
    [
        ("nonsense", "no URL of a database"), ("mysql://u:hush@h/d", "'mysql' is not supported"),
        ("sqlite://", "in memory is lost"), ("sqlite:////proc/none/jobs.db", "cannot be made"),
        ("sqlite:////proc/version", "cannot be reached"),
        ("postgresql://u:hush@127.0.0.1:1/d", "cannot be reached"), ("postgresql://u:hush@h:port/d", "no URL"),
    ],
)  # fmt: skip
def test_what_is_no_database_is_told_without_the_password(url, told):
    with pytest.raises(UserError, match="^database: ") as raised:
        JobStore(url)
    assert told in str(raised.value) and "hush" not in str(raised.value)


def test_a_store_does_not_show_its_password(store, database_url):
    assert make_url(store.url()).set(drivername="x") == make_url(database_url).set(drivername="x")
    assert "not-to-be-told" not in repr(store) and "not-to-be-told" not in repr(store._engine)


def test_a_wrong_password_is_told_without_it(cluster):
    with pytest.raises(UserError, match="^database: cannot be reached") as raised:
        JobStore(cluster.url("postgres").replace("not-to-be-told", "hush"))
    assert "hush" not in str(raised.value)
