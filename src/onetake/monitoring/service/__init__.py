"""What monitoring does: watches the machine, answers for jobs and the audit log."""
