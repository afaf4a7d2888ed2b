"""Row counts."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import CursorResult, Executable
from sqlalchemy.ext.asyncio import AsyncSession


async def matched_rows(session: AsyncSession, statement: Executable, values: Mapping[str, Any] | None = None) -> int:
    """Run an UPDATE or DELETE; how many rows its WHERE matched, changed or not: what compare-and-set rests on."""
    result = await session.execute(statement, values or {}, execution_options={"synchronize_session": False})
    return result.rowcount if isinstance(result, CursorResult) else 0
