"""The order in which a page is read: recursive cuts through its white space (XY-cut, Nagy and Seth 1984), columns first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
GUTTER = 7.0  # points of white that part columns; gaps between words are narrower
MOST = 300  # pieces; a page of more is no text page, and cutting it takes long


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in points, the origin at the top left."""

    left: float
    top: float
    right: float
    bottom: float

    def with_(self, other: Box) -> Box:
        """The smallest box around both."""
        return Box(min(self.left, other.left), min(self.top, other.top), max(self.right, other.right), max(self.bottom, other.bottom))

    def holds(self, other: Box) -> bool:
        """Whether the other's middle is inside."""
        x, y = (other.left + other.right) / 2, (other.top + other.bottom) / 2
        return self.left <= x <= self.right and self.top <= y <= self.bottom


def in_reading_order(items: Sequence[T], box: Callable[[T], Box]) -> list[T]:
    """The items, each column from top to bottom, columns from left to right."""
    if len(items) > MOST:
        return sorted(items, key=lambda item: (round(box(item).top), box(item).left))
    return _ordered(list(items), box)


def _ordered(items: list[T], box: Callable[[T], Box]) -> list[T]:
    if len(items) < 2:
        return items
    columns = _columns(items, box)
    if len(columns) > 1:
        return [item for column in columns for item in _ordered(column, box)]
    rows = _cut(items, lambda item: (box(item).top, box(item).bottom), 0.0)
    if len(rows) == 1:
        return sorted(items, key=lambda item: (box(item).top, box(item).left))
    ordered: list[T] = []
    start = 0
    while start < len(rows):  # rows with the same columns belong together, up to what spans the page
        end, group = start + 1, rows[start]
        while end < len(rows) and len(_columns(group + rows[end], box)) > 1:
            group = group + rows[end]
            end += 1
        ordered += _ordered(group, box)
        start = end
    return ordered


def _columns(items: list[T], box: Callable[[T], Box]) -> list[list[T]]:
    return _cut(items, lambda item: (box(item).left, box(item).right), GUTTER)


def _cut(items: list[T], span: Callable[[T], tuple[float, float]], gap: float) -> list[list[T]]:
    """Groups of items with at least ``gap`` of nothing between them, in their order."""
    groups: list[list[T]] = []
    reach = float("-inf")
    for item in sorted(items, key=span):
        start, end = span(item)
        if not groups or (start - reach >= gap and start > reach - 0.01):
            groups.append([])
        groups[-1].append(item)
        reach = max(reach, end)
    return groups
