"""Back-up of a running installation: database, key and recordings, so that together they are what was true once.

While it runs nothing is removed for good; recordings go on. A restore is the copy put in the place of the data folder.
"""

from onetake.infra.backup.lock import BackupError, BackupRunning, backing_up, removing
from onetake.infra.backup.run import Report, back_up

__all__ = ["BackupError", "BackupRunning", "Report", "back_up", "backing_up", "removing"]
