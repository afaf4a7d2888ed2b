"""Users, roles and permissions, sessions, API tokens."""
