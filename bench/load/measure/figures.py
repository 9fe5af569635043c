"""Rounds made into figures: medians, and ratios taken within each round, so that a busy moment weighs on both sides."""

import math
import statistics


def median(values: list[float]) -> float:
    return statistics.median(values)


def percentile(values: list[float], share: float) -> float:
    """The smallest value that so large a share of them does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def ratio(rounds: list[dict], others: list[dict], key: str) -> dict:
    """The median of each round's own ratio, and the smallest and largest of them."""
    ratios = [mine[key] / theirs[key] for mine, theirs in zip(rounds, others, strict=True) if theirs[key]]
    if not ratios:
        return {}
    return {"median": median(ratios), "min": min(ratios), "max": max(ratios)}


def medians(rounds: list[dict]) -> dict:
    """Of each key."""
    return {key: median([each[key] for each in rounds]) for key in rounds[0]}
