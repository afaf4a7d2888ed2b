"""Technical ground of the control plane: settings, database, jobs, events, web, logging, metrics."""
