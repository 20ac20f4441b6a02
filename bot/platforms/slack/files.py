"""Fetches the files that come with messages, with the bot's token, from Slack only."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient
from yarl import URL

from bot import texts
from bot.lessons import BIGGEST_FILE
from bot.messages import Attachment
from bot.platforms.base import Undeliverable
from bot.platforms.slack.calls import Refused, insist

log = logging.getLogger(__name__)

SECONDS = 60  # for one file
MOST_REDIRECTS = 3
NOT_OURS = ("external", "tombstone", "hidden_by_limit")  # modes of files that Slack does not keep, or not any more
GONE_ON = (301, 302, 303, 307, 308)


class FileWithheld(Exception):
    """The file cannot be had; `sentence` says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Files:
    """Of the workspace that `client` belongs to."""

    def __init__(self, client: AsyncWebClient, pauses: Sequence[float]) -> None:
        self._client = client
        self._pauses = pauses

    async def read(self, files: Sequence[Mapping[str, Any]]) -> tuple[tuple[Attachment, ...], tuple[str, ...]]:
        """The files, and a sentence for each that could not be had."""
        read, skipped = [], []
        for each in files:
            try:
                read.append(await self._read(each))
            except FileWithheld as error:
                skipped.append(error.sentence)
        return tuple(read), tuple(skipped)

    async def described(self, file_id: str) -> Mapping[str, Any]:
        """What Slack tells of a file; a name alone where it tells nothing."""
        try:
            answer = await insist(lambda: self._client.files_info(file=file_id), self._pauses)
        except Undeliverable as error:
            log.warning("Slack does not tell of a file, error=%s", error)
            return {"id": file_id, "name": file_id, "mode": "tombstone"}
        found: Mapping[str, Any] = answer["file"]
        return found

    async def _read(self, told: Mapping[str, Any]) -> Attachment:
        if told.get("file_access") == "check_file_info":  # from another workspace, or too much to tell in an event
            told = await self.described(str(told["id"]))
        name = str(told.get("name") or told.get("title") or told.get("id"))
        address = told.get("url_private_download") or told.get("url_private")
        if told.get("mode") in NOT_OURS or not address:
            raise FileWithheld(texts.file_unreadable(name, texts.NOT_KEPT_BY_SLACK))
        kind, size = str(told.get("mimetype")), int(told.get("size") or 0)
        if size > BIGGEST_FILE:
            raise FileWithheld(texts.file_too_big(name, BIGGEST_FILE))
        try:
            content, is_page = await insist(lambda: self._fetched(name, URL(str(address))), self._pauses)
        except Undeliverable as error:
            log.warning("a file could not be fetched, error=%s", error)
            raise FileWithheld(texts.file_unreadable(name, texts.NOT_GIVEN_OUT_BY_SLACK)) from error
        if is_page and ("html" not in kind or len(content) != size):  # a page where none was meant, or another one
            raise FileWithheld(texts.file_needs_scope(name))
        return Attachment(name, content)

    async def _fetched(self, name: str, address: URL) -> tuple[bytes, bool]:
        """The content, and whether it is a web page. The token goes to Slack's own servers only, wherever an address or a redirect points."""
        headers = {"Authorization": f"Bearer {self._client.token}"}
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session:
            for _ in range(MOST_REDIRECTS + 1):
                if not self._is_slack(address):
                    log.warning("a file's address is not Slack's, host=%s", address.host)
                    raise FileWithheld(texts.file_elsewhere(name))
                async with session.get(address, headers=headers, allow_redirects=False) as answer:
                    if answer.status in GONE_ON and "Location" in answer.headers:
                        address = address.join(URL(answer.headers["Location"]))
                        continue
                    if answer.status >= 500 or answer.status == 429:
                        raise ConnectionError(f"HTTP {answer.status}")
                    if answer.status != 200:
                        raise Refused(f"HTTP {answer.status}")
                    return await _whole(name, answer), answer.content_type == "text/html"
        raise FileWithheld(texts.file_elsewhere(name))

    def _is_slack(self, address: URL) -> bool:
        api = URL(self._client.base_url)
        host, ours = address.host or "", api.host or ""
        return address.scheme == api.scheme and (host == ours or host.endswith(f".{ours}"))


async def _whole(name: str, answer: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for piece in answer.content.iter_chunked(1 << 16):
        content += piece
        if len(content) > BIGGEST_FILE:
            raise FileWithheld(texts.file_too_big(name, BIGGEST_FILE))
    return bytes(content)
