"""Live sources: what is pulled or pushed, its key, how it is recorded; and what the media server should do about it."""
