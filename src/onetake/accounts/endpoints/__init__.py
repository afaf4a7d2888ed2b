"""HTTP endpoints of accounts: `router` has all of them."""

from fastapi import APIRouter

from onetake.accounts.endpoints import me, sign_in, tokens, users

router = APIRouter()
for part in (sign_in, me, tokens, users):
    router.include_router(part.router)
