"""Undoes a response's compression piece by piece, never holding more than the limit: a small answer may unpack to gigabytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

import brotli

PIECE = 65_536
KNOWN = "gzip, deflate, br"


class TooMuch(Exception):
    """The content is longer than the limit."""


class Undecodable(Exception):
    """The content does not unpack, or by no method that we know."""


def decoded(pieces: Iterable[bytes], encoding: str, limit: int) -> bytes:
    """The unpacked content. Raises TooMuch or Undecodable."""
    parts, length = [], 0
    for part in _unpacked(pieces, encoding.strip().lower()):
        length += len(part)
        if length > limit:
            raise TooMuch
        parts.append(part)
    return b"".join(parts)


def _unpacked(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    match encoding:
        case "" | "identity":
            return iter(pieces)
        case "gzip" | "x-gzip":
            return _inflated(pieces, 31)
        case "deflate":
            return _inflated(pieces, 0)
        case "br":
            return _unbrotlied(pieces)
        case _:
            raise Undecodable(encoding)


def _inflated(pieces: Iterable[bytes], window: int) -> Iterator[bytes]:
    inflater = None
    for piece in pieces:
        if inflater is None:  # deflate comes with zlib's header, or (some servers) without
            window = window or (15 if piece[:1] and (piece[0] & 0x0F) == 8 else -15)
            inflater = zlib.decompressobj(window)
        waiting = piece
        while waiting and not inflater.eof:
            try:
                yield inflater.decompress(waiting, PIECE)
            except zlib.error as error:
                raise Undecodable(str(error)) from error
            waiting = inflater.unconsumed_tail
    if inflater is not None and not inflater.eof:
        raise Undecodable("the end is missing")


def _unbrotlied(pieces: Iterable[bytes]) -> Iterator[bytes]:
    decoder = brotli.Decompressor()
    try:
        for piece in pieces:
            yield decoder.process(piece, output_buffer_limit=PIECE)
            while not decoder.can_accept_more_data() and not decoder.is_finished():
                yield decoder.process(b"", output_buffer_limit=PIECE)
    except brotli.error as error:
        raise Undecodable(str(error)) from error
    if not decoder.is_finished():
        raise Undecodable("the end is missing")
