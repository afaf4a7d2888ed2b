"""One's own API tokens. Only a signed-in person may manage them: a leaked token must not make another."""

from fastapi import APIRouter, status

from onetake.accounts import api_tokens
from onetake.accounts.auth import Interactive
from onetake.accounts.endpoints.views import api_token_view
from onetake.accounts.schemas import ApiTokenCreate, ApiTokenCreated, ApiTokenList
from onetake.infra.web.deps import IdPath, ReadSession, WriteSession
from onetake.infra.web.openapi import answers

router = APIRouter(prefix="/api/auth/tokens", tags=["auth"])


@router.get("", operation_id="listApiTokens", summary="My API tokens")
async def list_api_tokens(principal: Interactive, session: ReadSession) -> ApiTokenList:
    """All of one's tokens, the newest first, without their secrets."""
    rows = await api_tokens.list_api_tokens(session, principal.user_id)
    return ApiTokenList(items=[api_token_view(row) for row in rows])


@router.post(
    "",
    operation_id="createApiToken",
    summary="Create an API token",
    status_code=status.HTTP_201_CREATED,
    responses=answers(409),
)
async def create_api_token(body: ApiTokenCreate, principal: Interactive, session: WriteSession) -> ApiTokenCreated:
    """The secret is in this answer and never shown again. A token can do no more than its owner."""
    token, secret = await api_tokens.create_api_token(session, principal, body)
    return ApiTokenCreated(**api_token_view(token).model_dump(), token=secret)


@router.delete(
    "/{id}", operation_id="deleteApiToken", summary="Delete an API token", status_code=status.HTTP_204_NO_CONTENT
)
async def delete_api_token(id: IdPath, principal: Interactive, session: WriteSession) -> None:
    """Revokes the token at once."""
    await api_tokens.delete_api_token(session, principal.user_id, id)
