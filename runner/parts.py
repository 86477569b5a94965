"""Names of files in the making, which become whole by a rename."""

import os
import uuid


def part(path):
    """A name beside ``path`` that nobody else takes: containers that share a volume have the same process ids."""
    return "%s.%d-%s.part" % (path, os.getpid(), uuid.uuid4().hex[:8])
