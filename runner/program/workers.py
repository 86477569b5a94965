"""How many processes or threads a command may start for its own work. Those of a measured network: runner.machine.threads.for_backends."""

from runner.machine import threads


def count() -> int:
    """One per CPU that this process may use, by its CPU set and its cgroup's quota; at least 1."""
    return threads.usable_cpus()
