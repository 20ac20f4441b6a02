"""Which adapters one vLLM has: loaded at first use, unloaded politely, and what vLLM 0.32 does badly with them kept from it.

- An adapter that comes back under a name and a folder that it has had is served wrongly (what it has read of prompts is kept by both): every
  load is from a folder of its own.
- An adapter that it has pushed out of memory, whose files are gone by then, ends the server for everyone: what is loaded lies in folders
  of ours until it is unloaded and nobody's answer can need it any more, whatever is deleted elsewhere.
- Its resolver follows `../` in names: it is not used, and only names that we give out are passed on.
- Loading in place reads the disk at every step: it is not used; versions never change.
- Built for processors, it gives who has no adapter the one in its last place, where another answer in the batch has one (its index -1 for "none"
  counts from the end): everybody has one, and for the base model that is one that changes nothing.
- Unloading forgets the name only. The weights stay in memory until others push them out; nothing leads to them any more.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from storage.artifacts import Artifacts
from storage.errors import ArtifactError, ArtifactUnavailableError
from trainer.engine.vllm_client import STOPPED, Served, VllmClient, message_of
from trainer.errors import AdapterError, AdapterNotFoundError, EngineBusyError, EngineError, EngineStoppedError, TrainerError

log = logging.getLogger(__name__)

UNTAUGHT = "_untaught"  # the adapter that changes nothing; no name that anybody can ask for
LOOK_SECONDS = 2.0  # between two looks at a vLLM that does not answer


@dataclass(slots=True)
class Loaded:
    """An adapter that vLLM has, and the folder that it read."""

    folder: Path
    in_use: int = 0
    leaving: bool = False


class VllmAdapters:
    """The adapters of `store` that `vllm` has: at most `slots`, the least recently used one leaves for another, and UNTAUGHT beside them.

    `folder` is for the files that vLLM reads, and emptied at the start; `save_untaught` writes those of UNTAUGHT. In one event loop.
    """

    def __init__(self, store: Artifacts, folder: Path, vllm: VllmClient, slots: int, save_untaught: Callable[[Path], None]) -> None:
        self.served: Served | None = None  # None until vLLM has answered
        self._store = store
        self._folder = folder
        self._vllm = vllm
        self._slots = slots
        self._save_untaught = save_untaught
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()  # least recently used first
        self._changing = asyncio.Lock()  # one load or unload at a time

    @property
    def names(self) -> list[str]:
        """Of the adapters that are loaded, least recently used first."""
        return list(self._loaded)

    @property
    def running(self) -> int:
        """Answers that are being written with one of them."""
        return sum(each.in_use for each in self._loaded.values())

    async def begin(self) -> None:
        """Wait for vLLM. What it has of one before us goes: nobody knows which files those were."""
        await asyncio.to_thread(_empty, self._folder)
        while self.served is None:
            try:
                async with self._changing:
                    served = await self._vllm.served()
                    for name in served.adapters:
                        await self._vllm.unload(name)
                    await self._load_untaught()
                    self.served = served
            except TrainerError as error:
                log.info("vLLM is not ready yet, url=%s error=%s", self._vllm.url, error)
                await asyncio.sleep(LOOK_SECONDS)

    async def acquire(self, name: str) -> Loaded:
        """Have vLLM load the adapter, where it has not, and keep it until `release`.

        Raises AdapterNotFoundError, AdapterError, EngineBusyError or EngineStoppedError."""
        # Fetching takes long the first time: others go on meanwhile.
        source = await asyncio.to_thread(self._path_of, name) if name not in self._loaded else None
        async with self._changing:
            found = self._loaded.get(name)
            if found is None:
                if self.served is None:
                    raise EngineStoppedError(STOPPED)
                await self._make_room()
                if source is None:  # it was there a moment ago
                    source = await asyncio.to_thread(self._path_of, name)
                found = await self._load(name, source)
            elif found.leaving:
                raise AdapterNotFoundError(f"The model {name} is being removed.")
            self._loaded.move_to_end(name)
            found.in_use += 1
            return found

    async def release(self, name: str, used: Loaded) -> None:
        """An answer has ended, and vLLM knows."""
        used.in_use -= 1
        if used.leaving and not used.in_use:
            async with self._changing:
                if self._loaded.get(name) is used:
                    try:
                        await self._let_go(name)
                    except EngineError as error:  # it is unloaded when its place is needed
                        log.warning("an adapter stays loaded, adapter=%s error=%s", name, error)

    async def unload(self, name: str) -> bool:
        """False while an answer is being written with the adapter: from then on no new one begins, and it leaves with the last."""
        async with self._changing:
            found = self._loaded.get(name)
            if found is not None and found.in_use:
                found.leaving = True
                return False
            if found is not None:
                await self._let_go(name)
        return True

    async def look_again(self) -> None:
        """vLLM was started afresh: forget what it no longer has."""
        async with self._changing:
            served = await self._vllm.served()
            for name, each in list(self._loaded.items()):
                if name not in served.adapters:
                    del self._loaded[name]
                    await asyncio.to_thread(shutil.rmtree, each.folder, True)
            if UNTAUGHT not in served.adapters:
                await self._load_untaught()
            self.served = served

    def _path_of(self, name: str) -> Path:
        try:
            return self._store.path(name)
        except ArtifactUnavailableError as error:
            raise EngineBusyError(error.user_message, str(error)) from error
        except ArtifactError as error:
            raise AdapterNotFoundError(f"The model {name} does not exist.", str(error)) from error

    async def _make_room(self) -> None:
        while len(self._loaded) >= self._slots:
            idle = next((name for name, each in self._loaded.items() if not each.in_use), None)
            if idle is None:
                raise EngineBusyError("All places for models are in use. Please ask again in a moment.")
            await self._let_go(idle)

    async def _load(self, name: str, source: Path) -> Loaded:
        try:
            folder = await self._read_by_vllm(name, lambda folder: shutil.copytree(source, folder, dirs_exist_ok=True))
        except FileNotFoundError as error:  # deleted since it was found
            raise AdapterNotFoundError(f"The model {name} does not exist.", str(error)) from error
        self._loaded[name] = Loaded(folder)
        return self._loaded[name]

    async def _load_untaught(self) -> None:
        await self._read_by_vllm(UNTAUGHT, self._save_untaught)

    async def _read_by_vllm(self, name: str, write: Callable[[Path], object]) -> Path:
        """Have vLLM load what `write` puts into a folder of its own, which is returned."""
        folder = self._folder / f"{name}-{uuid.uuid4().hex[:12]}"
        try:
            await asyncio.to_thread(folder.mkdir)
            await asyncio.to_thread(write, folder)
            answer = await self._vllm.load(name, folder)
            if answer.status_code == 400 and "already been loaded" in answer.text:  # by one before us; from where, nobody knows
                await self._vllm.unload(name)
                answer = await self._vllm.load(name, folder)
            if not answer.is_success:
                raise AdapterError(f"The model {name} cannot be used.", f"vLLM: HTTP {answer.status_code}, {message_of(answer.content)}")
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, folder, True)
            raise
        return folder

    async def _let_go(self, name: str) -> None:
        """Unload, and only then delete the files: in the other order vLLM may look for them once more, and end."""
        if not await self._vllm.unload(name):  # it still has it: the files stay, and it is tried again
            raise EngineBusyError("A model could not be unloaded. Please ask again in a moment.")
        found = self._loaded.pop(name)
        await asyncio.to_thread(shutil.rmtree, found.folder, True)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, True)
    folder.mkdir(parents=True)
    folder.chmod(0o755)  # vLLM may run as another user
