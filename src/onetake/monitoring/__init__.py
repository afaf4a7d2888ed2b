"""What an operator looks at: system status, jobs, audit log."""
