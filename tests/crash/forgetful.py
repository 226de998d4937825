"""A file system in memory that forgets, when the power is cut, whatever was not synced.

    python -m tests.crash.forgetful MOUNTPOINT

A line `cut FOLDER SEED` on its standard input writes what a disk would hold if the power failed now to FOLDER, and is
answered with `done`. With seed 0 nothing unsynced is left; with another one each unsynced write is there or not by
chance, in whole or its first half: disks do that too.
"""

from __future__ import annotations

import errno
import os
import random
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import mfusepy


class File:
    """What is read now; what the disk holds; and the writes between the two."""

    def __init__(self) -> None:
        self.now = bytearray()
        self.synced: bytes | None = None
        self.writes: list[tuple[int, bytes]] = []

    def write(self, offset: int, data: bytes) -> None:
        if len(self.now) < offset:
            self.now.extend(bytes(offset - len(self.now)))
        self.now[offset : offset + len(data)] = data
        self.writes.append((offset, data))

    def truncate(self, length: int) -> None:
        del self.now[length:]
        self.now.extend(bytes(length - len(self.now)))
        self.writes.append((length, b""))

    def sync(self) -> None:
        self.synced = bytes(self.now)
        self.writes.clear()

    def after_a_cut(self, chance: random.Random | None) -> bytes | None:
        if chance is None:
            return self.synced
        left = File()
        left.now = bytearray(self.synced or b"")
        for offset, data in self.writes:
            kept = chance.choice((None, data, data[: len(data) // 2]))
            if kept:
                left.write(offset, kept)
        return bytes(left.now) if self.synced is not None or left.now else None


class Forgetful(mfusepy.Operations):
    """One flat folder."""

    use_ns = True

    def __init__(self) -> None:
        self.lock_all = threading.Lock()
        self.files: dict[str, File] = {}

    def _file(self, path: str) -> File:
        found = self.files.get(path)
        if found is None:
            raise mfusepy.FuseOSError(errno.ENOENT)
        return found

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2, "st_uid": os.getuid(), "st_gid": os.getgid()}
        size = len(self._file(path).now)
        return {
            "st_mode": stat.S_IFREG | 0o600,
            "st_nlink": 1,
            "st_size": size,
            "st_uid": os.getuid(),
            "st_gid": os.getgid(),
        }

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *(name[1:] for name in self.files)]

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        self.files[path] = File()
        return 0

    def open(self, path: str, flags: int) -> int:
        self._file(path)
        return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return bytes(self._file(path).now[offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        with self.lock_all:
            self._file(path).write(offset, data)
        return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        with self.lock_all:
            self._file(path).truncate(length)

    def unlink(self, path: str) -> None:
        with self.lock_all:
            del self.files[path]

    def fsync(self, path: str, datasync: int, fh: int) -> None:
        with self.lock_all:
            self._file(path).sync()

    def cut(self, folder: Path, seed: int) -> None:
        with self.lock_all:
            chance = random.Random(seed) if seed else None
            left = {path: file.after_a_cut(chance) for path, file in self.files.items()}
        for path, content in left.items():
            # The -shm file is memory that processes share, and nothing of it outlives the machine.
            if content is not None and not path.endswith("-shm"):
                (folder / path[1:]).write_bytes(content)


def listen(system: Forgetful) -> None:
    for line in sys.stdin:
        _, folder, seed = line.split()
        system.cut(Path(folder), int(seed))
        print("done", flush=True)


if __name__ == "__main__":
    mounted = Forgetful()
    threading.Thread(target=listen, args=(mounted,), daemon=True).start()
    mfusepy.FUSE(mounted, sys.argv[1], foreground=True, nothreads=True, fsname="forgetful")
