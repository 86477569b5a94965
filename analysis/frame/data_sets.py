"""Which images a Top-1 is of: 70 % on CIFAR-100 and 70 % on ImageNet are not comparable."""

import pandas as pd

from analysis.frame.cached import computed_once

USUAL = "ImageNet"  # of published values, and of imported ones that don't say


@computed_once
def most_common(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the Top-1 of one data set alone, that of most rows; a measured one bears its data set's own name and is kept."""
    return frame.assign(**_cleared(frame, pd.Series(0, index=frame.index)))


@computed_once
def most_common_each(frame: pd.DataFrame) -> pd.DataFrame:
    """The same, platform by platform."""
    return frame.assign(**_cleared(frame, frame["platform"]))


def _cleared(frame: pd.DataFrame, groups: pd.Series) -> dict[str, pd.Series]:
    """top1 and top5 without those of other data sets than the group's usual one."""
    has = frame["top1"].notna() & frame["accuracy_source"].ne("measured")
    data = frame["accuracy_data"].fillna(USUAL)
    if data[has].nunique() < 2:
        return {}
    usual = data[has].groupby(groups[has]).agg(lambda names: names.mode().iloc[0])
    others = has & data.ne(groups.map(usual))
    return {name: frame[name].mask(others) for name in ("top1", "top5")}
