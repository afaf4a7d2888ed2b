"""Pure media library: containers, codecs, protocols (sans-IO), playlists, index. No web, no database, no settings."""
