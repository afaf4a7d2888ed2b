"""Recording tasks (`tasks`), what the media server reports of them (`reports`), schedules (`schedules`)."""
