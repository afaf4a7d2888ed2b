"""Recording tasks and schedules: starting, stopping and following what the media server records."""
