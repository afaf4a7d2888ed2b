"""What everybody may ask: is it alive, is it ready, and what does a page need to know before anybody signs in."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import text

from onetake import __version__
from onetake.infra.web.deps import DatabaseDep, SettingsDep
from onetake.infra.web.openapi import answers
from onetake.kit.errors import LANGS, Lang

router = APIRouter(tags=["site"])


class Health(BaseModel):
    """A sign of life."""

    status: Literal["ok"] = Field(description="Always `ok`; trouble is a 503.", examples=["ok"])


class MediaAddress(BaseModel):
    """Where media are played from."""

    url: str | None = Field(
        description="Absolute address of all media; null when it follows from the page's own address.",
        examples=["https://video.example.org"],
    )
    port: int = Field(description="Port of live playback, for pages opened by http without a proxy.", examples=[8080])
    files_port: int = Field(description="Port of playback on demand and downloads, likewise.", examples=[8081])
    rtmp_port: int = Field(description="Port for RTMP publishers.", examples=[1935])


class Config(BaseModel):
    """What the web page needs before anybody signs in."""

    version: str = Field(description="Version of the server.", examples=["0.1.0"])
    registration_open: bool = Field(description="Whether strangers may make an account.")
    public_url: str | None = Field(description="Address of the web page as configured.", examples=[None])
    media: MediaAddress = Field(description="Where media are played from.")
    languages: list[Lang] = Field(description="Languages of the pages.", examples=[["en", "zh-CN", "zh-TW"]])


@router.get("/healthz", operation_id="health", summary="Is the process alive")
async def health() -> Health:
    """Answers as long as the process can answer at all; asks nothing else."""
    return Health(status="ok")


@router.get("/readyz", operation_id="ready", summary="Can it do its work", responses=answers(503))
async def ready(db: DatabaseDep) -> Health:
    """Really asks the database; 503 when that fails."""
    async with db.read() as session:
        await session.execute(text("SELECT 1"))
    return Health(status="ok")


@router.get("/api/config", operation_id="getConfig", summary="What a page needs to know first")
async def get_config(settings: SettingsDep) -> Config:
    """Version, whether registration is open, where media are, which languages there are."""
    media = MediaAddress(
        url=None if settings.media_url == "auto" else settings.media_url,
        port=settings.media_port,
        files_port=settings.files_port,
        rtmp_port=settings.rtmp_port,
    )
    return Config(
        version=__version__,
        registration_open=settings.registration_open,
        public_url=settings.public_url,
        media=media,
        languages=list(LANGS),
    )
