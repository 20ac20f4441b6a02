"""Weights of rebuilds under way, so that one whose process was killed goes on where it was."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

_NAME = re.compile(r"\.rebuild-(\d+)-[0-9a-f]+")


class Paused:
    """Hidden folders beside the adapters. Losing one costs time and nothing else, so nothing here is flushed to the disk."""

    def __init__(self, adapters: Path) -> None:
        self._root = adapters

    def keep(self, rebuild_id: int, digest: str, save: Callable[[Path], None]) -> None:
        """Keep what `save` writes in place of what was kept before. `digest` (hexadecimal) names what is being learned."""
        folder = self._folder(rebuild_id, digest)
        new = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        save(new)
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)

    def find(self, rebuild_id: int, digest: str) -> Path | None:
        """What was kept of this rebuild while it learned the very same; None where there is nothing."""
        folder = self._folder(rebuild_id, digest)
        return folder if folder.is_dir() else None

    def drop(self, rebuild_id: int) -> None:
        """The rebuild has ended, or its user has deleted everything."""
        for folder in self._root.glob(f".rebuild-{rebuild_id}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def rebuilds(self) -> set[int]:
        """The ids of those of which something is kept."""
        return {int(found[1]) for each in self._root.glob(".rebuild-*") if (found := _NAME.match(each.name))}

    def _folder(self, rebuild_id: int, digest: str) -> Path:
        return self._root / f".rebuild-{rebuild_id}-{digest}"
