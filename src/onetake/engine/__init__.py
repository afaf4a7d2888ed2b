"""The media server process: RTMP and HTTP in and out, recorder, pulls. Knows no database."""
