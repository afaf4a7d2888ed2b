"""Videos over HTTP: for viewers (`viewing`, `downloads`) and for those who manage them (`managing`)."""

from fastapi import APIRouter

from onetake.library.endpoints import downloads, managing, viewing

router = APIRouter()
for part in (managing.router, viewing.router, downloads.router):
    router.include_router(part)

__all__ = ["router"]
