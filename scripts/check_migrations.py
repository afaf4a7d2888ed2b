"""Fails when the migrations do not lead to the models: builds an empty SQLite database and compares."""

import asyncio
import sys
import tempfile

import onetake.models  # noqa: F401 - fills Base.metadata
from onetake.infra.db.migrate import drift, upgrade


async def main() -> int:
    """Prints each difference; returns 1 when there is one."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/check.db"
        await upgrade(url)
        differences = await drift(url)
    for difference in differences:
        print(f"models and migrations differ: {difference}")
    if differences:
        print("write the missing migration: docs/3-operate/database.md")
    return int(bool(differences))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
