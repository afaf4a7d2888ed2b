"""The statements of the job queue: one text for SQLite, PostgreSQL and MySQL/MariaDB; only NOW differs.

Correctness rests on them alone: claims are compare-and-set, writes of a running job are fenced by its token, and every
row count means matched rows. Each runs in a transaction of its own unless its comment says otherwise.
"""

import re
from dataclasses import dataclass, fields
from functools import cache

from sqlalchemy import TextClause, text

from onetake.infra.db.clock import NOW_SQL

_NOW = re.compile(r"\bNOW\b")


@dataclass(frozen=True, slots=True)
class Statements:
    """Prepared statements of one dialect."""

    # 1: pick at random among the rows of the best priority
    candidates: TextClause
    # 2: ours only if one row matched, else try another candidate
    claim: TextClause
    # 3: no row matched = lease lost: kill the child, write nothing more
    heartbeat: TextClause
    # 4: in one transaction with the domain rows that the job publishes; no row matched = roll back
    finish: TextClause
    retry: TextClause
    release: TextClause
    # 5: any worker, any number of them; per row, so that a job which ends here takes part in 6
    sweep: TextClause
    fast_restart: TextClause
    due: TextClause
    # 6: in the transaction of 4 or 5 (two statements: MySQL evaluates SET left to right)
    child_ended: TextClause
    parent_ready: TextClause
    # 7: one row matched = insert the job in the same transaction
    tick: TextClause


_TEXTS = {
    "candidates": (
        "SELECT id, kind, args, priority FROM jobs WHERE queue=:q AND state='queued'"
        " ORDER BY priority, run_at, id LIMIT 16"
    ),
    "claim": (
        "UPDATE jobs SET state='running', worker=:w, token=:t, attempts=attempts+1, started_at=NOW,"
        " lease_until=NOW+:lease, progress=0, stage=NULL, finished_at=NULL, updated_at=NOW"
        " WHERE id=:id AND state='queued'"
    ),
    "heartbeat": (
        "UPDATE jobs SET lease_until=NOW+:lease, progress=:p, stage=:s, updated_at=NOW"
        " WHERE id=:id AND token=:t AND state='running'"
    ),
    "finish": (
        "UPDATE jobs SET state=:st, progress=:p, error=:e, result=:result, token=NULL, lease_until=NULL,"
        " finished_at=NOW, updated_at=NOW WHERE id=:id AND token=:t AND state='running'"
    ),
    "retry": (
        "UPDATE jobs SET state='scheduled', run_at=NOW+:backoff, error=:e, token=NULL, lease_until=NULL,"
        " updated_at=NOW WHERE id=:id AND token=:t AND state='running'"
    ),
    "release": (
        "UPDATE jobs SET state='queued', attempts=attempts-1, token=NULL, lease_until=NULL, updated_at=NOW"
        " WHERE id=:id AND token=:t AND state='running'"
    ),
    "sweep": (
        "UPDATE jobs SET state=CASE WHEN cancel=1 THEN 'cancelled' WHEN attempts>=max_attempts THEN 'failed'"
        " ELSE 'queued' END, finished_at=CASE WHEN cancel=1 OR attempts>=max_attempts THEN NOW ELSE NULL END,"
        " error='worker lost', token=NULL, lease_until=NULL, updated_at=NOW"
        " WHERE id=:id AND state='running' AND lease_until<NOW"
    ),
    "fast_restart": (
        "UPDATE jobs SET state=CASE WHEN cancel=1 THEN 'cancelled' WHEN attempts>=max_attempts THEN 'failed'"
        " ELSE 'queued' END, finished_at=CASE WHEN cancel=1 OR attempts>=max_attempts THEN NOW ELSE NULL END,"
        " error='worker lost', token=NULL, lease_until=NULL, updated_at=NOW"
        " WHERE id=:id AND state='running' AND worker=:w"
    ),
    "due": "UPDATE jobs SET state='queued', updated_at=NOW WHERE state='scheduled' AND run_at<=NOW",
    "child_ended": "UPDATE jobs SET waiting=waiting-1 WHERE id=:parent",
    "parent_ready": (
        "UPDATE jobs SET state='queued', updated_at=NOW WHERE id=:parent AND state='waiting' AND waiting=0"
    ),
    "tick": "UPDATE job_schedules SET next_at=:next WHERE name=:n AND next_at=:seen",
}


@cache
def statements(dialect: str) -> Statements:
    """The statements for `sqlite`, `postgresql` or `mysql`."""
    now = NOW_SQL[dialect].replace(":", r"\:")
    prepared = {name: text(_NOW.sub(lambda _match: now, body)) for name, body in _TEXTS.items()}
    return Statements(**{field.name: prepared[field.name] for field in fields(Statements)})
