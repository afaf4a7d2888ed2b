"""The web edge: middleware, problem+json, dependencies, WebSocket hub and the single-page application's files."""
