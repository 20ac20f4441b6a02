"""Which adapter is in which slot of the bank: loaded at first use, the least recently used one leaves."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from trainer.engine.adapter_bank import AdapterBank
from trainer.engine.adapter_file import LoraPair
from trainer.engine.adapter_table import BASE_SLOT
from trainer.errors import AdapterError

READ_AHEAD = 32  # adapters of waiting requests that are kept in memory; those of requests further behind are read when it is their turn


class Residency:
    """`path_of` gives the folder of an adapter by name and raises AdapterNotFoundError for an unknown one. Thread-safe.

    Versions are immutable, so an adapter that is in memory is never read again.
    """

    def __init__(self, bank: AdapterBank, path_of: Callable[[str], Path]) -> None:
        self.bank = bank
        self._path_of = path_of
        self._lock = threading.Lock()
        self._slots: OrderedDict[str, int] = OrderedDict()  # least recently used first
        self._in_use: Counter[str] = Counter()
        self._read: OrderedDict[str, dict[str, LoraPair]] = OrderedDict()  # read for a request that waits, oldest first
        self._free = list(range(bank.slots, BASE_SLOT, -1))

    @property
    def resident(self) -> list[str]:
        """Names of the adapters in memory, least recently used first."""
        with self._lock:
            return list(self._slots)

    def prepare(self, name: str) -> None:
        """Fetch and read the adapter's files if it is not in memory, so that `acquire` need not: running answers wait for that one.

        Raises AdapterNotFoundError. Whatever else is wrong with the files, `acquire` tells.
        """
        with self._lock:
            if name in self._slots or name in self._read:
                return
        folder = self._path_of(name)
        with suppress(AdapterError):
            pairs = self.bank.read(folder)
            with self._lock:
                self._read[name] = pairs
                while len(self._read) > READ_AHEAD:
                    self._read.popitem(last=False)

    def acquire(self, name: str | None) -> int | None:
        """The slot of `name` (None: the base model), loaded and kept until `release`; None while all slots are in use.

        Raises what `path_of` and AdapterBank.load raise; then nothing is kept.
        """
        if name is None:
            return BASE_SLOT
        with self._lock:
            slot = self._slots.get(name)
            if slot is None:
                slot = self._free_slot()
                if slot is None:
                    return None
                try:
                    pairs = self._read.pop(name, None)
                    self.bank.write(slot, self.bank.read(self._path_of(name)) if pairs is None else pairs)
                except BaseException:
                    self.bank.clear(slot)  # it may hold the weights of the adapter that just left
                    self._free.append(slot)
                    raise
                self._slots[name] = slot
            self._slots.move_to_end(name)
            self._in_use[name] += 1
            return slot

    def release(self, name: str | None) -> None:
        """One row less uses `name`."""
        if name is not None:
            with self._lock:
                self._in_use[name] -= 1

    def unload(self, name: str) -> bool:
        """Erase `name` from memory. False if a running row uses it: try again when it has ended."""
        with self._lock:
            if self._in_use[name] > 0:
                return False
            self._read.pop(name, None)
            slot = self._slots.pop(name, None)
            if slot is not None:
                self.bank.clear(slot)
                self._free.append(slot)
            return True

    def _free_slot(self) -> int | None:
        if self._free:
            return self._free.pop()
        idle = next((name for name in self._slots if self._in_use[name] == 0), None)
        return None if idle is None else self._slots.pop(idle)
