"""A wall clock that is an hour behind as soon as the file DYNO_TEST_CLOCK is there; for every process that has this folder on its path."""

import os
import time

true_time, true_gmtime, true_localtime = time.time, time.gmtime, time.localtime


def stepped():
    return true_time() - (3600 if os.path.exists(os.environ.get("DYNO_TEST_CLOCK", "")) else 0)


time.time = stepped
time.gmtime = lambda seconds=None: true_gmtime(stepped() if seconds is None else seconds)
time.localtime = lambda seconds=None: true_localtime(stepped() if seconds is None else seconds)
