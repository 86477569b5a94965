"""Counts and numbers in sentences, which know singular and plural."""

from collections.abc import Iterable


def plural(count: int, noun: str) -> str:
    """`1 cell`, `1,200 cells`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def of(count: int, total: int, noun: str) -> str:
    """`none of 7 networks`, `3 of 7 networks`, `all 7 networks`, `the only network`."""
    if total == 1:
        return f"the only {noun}" if count else f"no {noun}"
    return f"{'none' if not count else 'all' if count == total else f'{count:,}'}{' of' if count != total else ''} {plural(total, noun)}"


def few(names: Iterable[str], most: int = 6) -> str:
    """Names, the first few of many, with how many are left."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
