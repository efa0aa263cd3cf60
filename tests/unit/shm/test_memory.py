"""The operating system's part: shared, reserved, sealed, and gone with its last user."""

import contextlib
import fcntl
import gc
import mmap
import os
import resource
from pathlib import Path

import pytest

from asynclog.errors import NoRoom
from asynclog.shm import memory
from asynclog.shm.memory import HAS_MEMFD, Mapping, create_anonymous, create_shared, default_quota

KINDS = [pytest.param(True, marks=pytest.mark.skipif(not HAS_MEMFD, reason="no memfd here")), False]


@pytest.mark.parametrize("memfd", KINDS)
def test_a_descriptor_shares_the_memory(memfd: bool) -> None:
    """Zeroed at first; what one writes another sees."""
    made = create_shared(10_000, memfd=memfd)
    assert bytes(made.view) == bytes(10_000)
    other = Mapping(os.dup(made.fd), 10_000, writable=False)
    made.view[5000] = 9
    assert other.view[5000] == 9
    other.close()
    made.close()


@pytest.mark.parametrize("memfd", KINDS)
def test_nothing_is_left_behind_in_dev_shm(memfd: bool) -> None:
    """Not even while it lives: a process that is killed has no chance to tidy up."""
    before = set(os.listdir("/dev/shm"))
    made = create_shared(4096, memfd=memfd)
    assert {one for one in set(os.listdir("/dev/shm")) - before if one.startswith("asynclog")} == set()
    made.close()


def test_a_reader_can_not_write() -> None:
    made = create_shared(4096)
    reader = Mapping(os.dup(made.fd), 4096, writable=False)
    assert reader.view.readonly
    with pytest.raises(TypeError):
        reader.view[0] = 1
    reader.close()
    made.close()


@pytest.mark.skipif(not HAS_MEMFD, reason="no memfd here")
def test_a_memfd_can_not_shrink() -> None:
    """Otherwise a consumer's read would be a SIGBUS."""
    made = create_shared(8192)
    with pytest.raises(PermissionError):
        os.ftruncate(made.fd, 0)
    made.close()


@pytest.mark.parametrize("memfd", KINDS)
def test_memory_is_reserved_when_it_is_made(memfd: bool) -> None:
    """A full tmpfs is an error here, never a SIGBUS later."""
    made = create_shared(1 << 20, memfd=memfd)
    assert os.fstat(made.fd).st_blocks * 512 >= 1 << 20
    made.close()


@pytest.mark.parametrize("memfd", KINDS)
def test_what_can_not_be_had_is_no_room(memfd: bool) -> None:
    """And leaks no descriptor."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(NoRoom, match=f"no {2 << 20} bytes of shared memory"):
            create_shared(2 << 20, memfd=memfd)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("memfd", KINDS)
def test_running_out_of_descriptors_is_no_room(memfd: bool) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = max(map(int, os.listdir("/proc/self/fd")))
    holders = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 1, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                holders.append(os.dup(0))
        with pytest.raises(NoRoom, match="no more shared memory can be made"):
            create_shared(4096, memfd=memfd)
    finally:
        for fd in holders:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_closing_keeps_what_is_mapped() -> None:
    """The descriptor goes, the pages stay until the last view does; closing twice is once."""
    made = create_shared(4096)
    fd, view = made.fd, made.view
    made.close()
    made.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        fcntl.fcntl(fd, fcntl.F_GETFD)
    del made
    gc.collect()
    view[17] = 3
    assert view[17] == 3


def test_descriptors_are_not_inherited() -> None:
    for memfd in {HAS_MEMFD, False}:
        made = create_shared(mmap.PAGESIZE, memfd=memfd)
        assert not os.get_inheritable(made.fd)
        made.close()


def test_threads_share_memory_without_a_descriptor() -> None:
    made = create_anonymous(4096)
    made.view[0] = 1
    assert made.fd == -1
    assert not made.view.readonly
    made.close()
    assert made.view[0] == 1


@pytest.mark.parametrize(
    ("first", "second", "quota"),
    [
        ("1073741824\n", None, 128 << 20),
        ("max\n", None, 1 << 30),
        ("max\n", "536870912\n", 64 << 20),
        (None, "17179869184\n", 1 << 30),
        (None, None, 1 << 30),
    ],
)
def test_the_default_quota_is_an_eighth_of_what_the_cgroup_allows(
    tmp_path: Path, first: str | None, second: str | None, quota: int
) -> None:
    """And never more than 1 GiB; "max" is no limit."""
    paths = (tmp_path / "memory.max", tmp_path / "limit_in_bytes")
    for path, text in zip(paths, (first, second), strict=True):
        if text is not None:
            path.write_text(text)
    assert default_quota(paths) == quota


def test_this_machine_has_a_default_quota() -> None:
    assert 0 < default_quota() <= memory.LARGEST_DEFAULT_QUOTA
