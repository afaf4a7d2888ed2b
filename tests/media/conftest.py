"""Property tests judge results, never speed: machines are shared."""

from hypothesis import settings

settings.register_profile("media", deadline=None)
settings.load_profile("media")
