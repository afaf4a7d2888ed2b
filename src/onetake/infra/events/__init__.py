"""Domain events: written to an outbox in the transaction that makes them true, handled at least once afterwards.

@dataclass(frozen=True)
class UserDisabled:
    user_id: int

await emit(session, UserDisabled(user_id=7))

@handles(UserDisabled)
async def end_sessions(session: AsyncSession, event: UserDisabled) -> None: ...
"""

from onetake.infra.events.outbox import emit
from onetake.infra.events.registry import handles

__all__ = ["emit", "handles"]
