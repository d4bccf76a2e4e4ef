"""Where uploaded media lies: a port, and the folder of this machine behind it."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Protocol

from hubbub.errors import ERRORS

CHUNK = 256 * 1024


class Files(Protocol):
    """Blobs by name; a name is a path such as `IS…/ME…`."""

    async def write(self, name: str, chunks: AsyncIterator[bytes], limit: int) -> int:
        """Store what arrives, on disk before it returns; the number of bytes.

        Raises ERRORS.TOO_LARGE over the limit and ERRORS.UNAVAILABLE when the disk refuses; then nothing is kept.
        """

    async def read(self, name: str) -> AsyncIterator[bytes]:
        """The bytes in chunks, never whole in memory. Raises ERRORS.NOT_FOUND when the blob is gone."""

    async def delete(self, name: str) -> None:
        """Remove the blob; nothing happens when it is gone already."""


class Folder:
    """Blobs as files below one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def clean(self) -> None:
        """Remove what uploads left that a crash cut off. Only while nobody else writes here."""
        for partial in self._root.glob("*/*.part"):
            partial.unlink(missing_ok=True)

    async def write(self, name: str, chunks: AsyncIterator[bytes], limit: int) -> int:
        target = self._root / name
        partial = target.with_suffix(".part")
        size = 0
        try:
            await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
            file = await asyncio.to_thread(partial.open, "wb")
            with file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > limit:
                        raise ERRORS.TOO_LARGE(limit=f"{limit // 1_000_000} MB")
                    await asyncio.to_thread(file.write, chunk)
                await asyncio.to_thread(settle, file.fileno(), partial, target)
        except OSError as error:
            raise ERRORS.UNAVAILABLE(reason=f"the media cannot be stored ({error.strerror})") from error
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
        return size

    async def read(self, name: str) -> AsyncIterator[bytes]:
        try:
            file = await asyncio.to_thread((self._root / name).open, "rb")
        except OSError as error:
            raise ERRORS.NOT_FOUND() from error
        return pieces(file)

    async def delete(self, name: str) -> None:
        path = self._root / name
        await asyncio.to_thread(path.unlink, missing_ok=True)
        with contextlib.suppress(OSError):
            path.parent.rmdir()  # only the last one out succeeds


async def pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk


def settle(descriptor: int, partial: Path, target: Path) -> None:
    """Put a finished file in its place so that it survives a power cut."""
    os.fsync(descriptor)
    partial.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
