"""What a disk can do to the embedded engine: a clear refusal, never a loss, and a bad file is left alone."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.harness import Server, free_port
from tests.robustness.writers import assert_nothing_lost, ended, new_channels, stored_messages

MEGABYTE = 1 << 20
DISK = 24 * MEGABYTE
LONG = "x" * 30_000
KEEP_FREE = 256 * 1024


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Server]:
    """A server that has run on a SQLite file, in a folder of the file's own, and was stopped."""
    server = Server(tmp_path / "data", f"sqlite:///{tmp_path / 'database' / 'hubbub.db'}")
    server.start()
    new_channels(server, 1)
    server.stop()
    with ended(server):
        yield server


def database_file(server: Server) -> Path:
    return Path(server.database.removeprefix("sqlite:///"))


def refusal(server: Server) -> str:
    """Start the server, expect it to end at once with a failure; the one line that it says about it."""
    done = server.run("serve")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].endswith(".")
    return lines[0]


@contextmanager
def mounted(place: Path, *mounts: str) -> Iterator[None]:
    """Mount over the folder, with these options one after the other; skipped where this is not allowed."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a disk of its own needs Linux and root")
    with ExitStack() as stack:
        for options in mounts:
            command = ["mount", *options.split(), str(place)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
            if "remount" not in options:
                stack.callback(subprocess.run, ["umount", "--lazy", str(place)], check=True)
        yield


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    with mounted(place, f"-t tmpfs -o size={DISK} tmpfs"):
        yield place


def fill(disk: Path) -> Path:
    """A file that leaves almost nothing free; removing it makes room again."""
    ballast = disk / "ballast"
    status = os.statvfs(disk)
    ballast.write_bytes(bytes(status.f_bavail * status.f_frsize - KEEP_FREE))
    return ballast


def send_until_refused(client: httpx.Client, channel: str) -> tuple[dict[str, dict[str, object]], httpx.Response]:
    """Send long messages until one is not taken: what was acknowledged, and the refusal."""
    acknowledged: dict[str, dict[str, object]] = {}
    for number in range(1000):
        body = f"message {number} {LONG}"
        answer = client.post(f"{channel}/Messages", data={"Body": body})
        if answer.status_code != 201:
            return acknowledged, answer
        acknowledged[body] = answer.json()
    raise AssertionError("a thousand long messages were taken on a full disk")


def assert_full(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    error = answer.json()
    assert set(error) == {"code", "message", "more_info", "status"}
    assert (error["code"], error["status"]) == (20503, 503)


@pytest.fixture
def on_small_disk(small_disk: Path, tmp_path: Path) -> Iterator[Server]:
    """A running server that keeps everything but its log on the small disk."""
    settings = {"HUBBUB_DATA_DIR": str(small_disk)}
    with ended(Server(tmp_path / "log", f"sqlite:///{small_disk / 'hubbub.db'}", settings)) as server:
        yield server.start()


def test_full_disk_refuses_writes_and_nothing_else(on_small_disk: Server, small_disk: Path) -> None:
    """On a full disk writes are answered 503 and reads go on; with room again so do writes; none is lost."""
    [channel] = new_channels(on_small_disk, 1)
    ballast = fill(small_disk)

    with on_small_disk.client() as client:
        acknowledged, refused = send_until_refused(client, channel)
        assert_full(refused)
        assert "full" in refused.json()["message"]
        assert_full(client.post("/v2/Services", data={"FriendlyName": "no room"}))
        assert len(stored_messages(client, channel)) == len(acknowledged)
        ballast.unlink()
        after = client.post(f"{channel}/Messages", data={"Body": "room again"})

    assert after.status_code == 201, after.text
    acknowledged["room again"] = after.json()
    assert_nothing_lost(on_small_disk, [channel], acknowledged)
    assert on_small_disk.stop() == 0
    with closing(sqlite3.connect(small_disk / "hubbub.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    on_small_disk.start()
    assert_nothing_lost(on_small_disk, [channel], acknowledged)


def test_media_on_a_full_disk_is_refused_without_rest(on_small_disk: Server, small_disk: Path) -> None:
    """An upload that does not fit is answered 503 and leaves no piece behind; with room again it is taken."""
    [channel] = new_channels(on_small_disk, 1)
    path = f"/v1/Services/{channel.split('/')[3]}/Media"
    ballast = fill(small_disk)

    with on_small_disk.client() as client:
        refused = client.post(path, content=bytes(MEGABYTE), headers={"Content-Type": "image/png"})
        assert_full(refused)
        assert not [file for file in small_disk.rglob("*") if file.is_file() and "ME" in file.name]
        ballast.unlink()
        taken = client.post(path, content=bytes(MEGABYTE), headers={"Content-Type": "image/png"})

    assert taken.status_code == 201, taken.text


def test_read_only_folder_stops_the_start(stopped: Server) -> None:
    """A database in a folder that cannot be written is one clear sentence, not a server that fails later."""
    folder = database_file(stopped).parent
    before = database_file(stopped).read_bytes()

    with mounted(folder, f"--bind {folder}", "-o remount,bind,ro"):
        said = refusal(stopped)

    assert str(folder) in said
    assert database_file(stopped).read_bytes() == before


def test_read_only_file_stops_the_start(stopped: Server) -> None:
    """A database file that cannot be written is named in one clear sentence."""
    file = database_file(stopped)
    with locked(file):
        said = refusal(stopped)

    assert str(file) in said


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Make the file unwritable; root is bound by the file system's own flag only."""
    if os.geteuid() != 0:
        file.chmod(0o400)
        yield
        return
    done = subprocess.run(["chattr", "+i", str(file)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file can be made read-only for root here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(file)], check=True)


def test_file_that_is_no_database_stops_the_start(stopped: Server) -> None:
    """A file with a foreign header is refused and left as it was."""
    file = database_file(stopped)
    foreign = b"this is no database, but somebody's notes" * 3
    spoilt = foreign + file.read_bytes()[len(foreign) :]
    file.write_bytes(spoilt)

    said = refusal(stopped)

    assert str(file) in said
    assert file.read_bytes() == spoilt


def test_truncated_database_stops_the_start(stopped: Server) -> None:
    """A file that lost its second half is refused and left as it was."""
    file = database_file(stopped)
    whole = file.read_bytes()
    assert len(whole) > 16 * 4096
    file.write_bytes(whole[: len(whole) // 8192 * 4096])
    cut = file.read_bytes()

    said = refusal(stopped)

    assert str(file) in said
    assert file.read_bytes() == cut


def test_newer_database_stops_the_start(stopped: Server) -> None:
    """A database that a newer version has migrated is refused, and stays usable for that version."""
    file = database_file(stopped)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("INSERT INTO migrations VALUES (9999, '9999_from_the_future', 0)")
    before = file.read_bytes()

    said = refusal(stopped)

    assert "newer" in said
    assert "9999" in said
    assert file.read_bytes() == before


def test_second_server_on_the_same_file_is_refused(stopped: Server) -> None:
    """Two servers never share a SQLite file: the second says so and ends, the first goes on."""
    stopped.start()
    [channel] = new_channels(stopped, 1)
    second = Server(stopped.data_dir, stopped.database, port=free_port())

    said = refusal(second)

    assert str(database_file(stopped)) in said
    with stopped.client() as client:
        assert client.post(f"{channel}/Messages", data={"Body": "still here"}).status_code == 201


READ = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT count(*) FROM channels'); c.close()"


def test_program_that_reads_beside_the_server_takes_nothing_away(stopped: Server) -> None:
    stopped.start()
    [before] = new_channels(stopped, 1)
    subprocess.run([sys.executable, "-c", READ, str(database_file(stopped))], check=True)
    [after] = new_channels(stopped, 1)
    stopped.kill()
    stopped.start()
    with stopped.client() as client:
        for channel in (before, after):
            assert client.get(channel).status_code == 200


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("HUBBUB_COLOUR", "blue", "HUBBUB_COLOUR"),
        ("HUBBUB_PORT", "abc", "HUBBUB_PORT"),
        ("HUBBUB_PORT", "70000", "HUBBUB_PORT"),
        ("HUBBUB_DATABASE", "mysql://somewhere/chat", "HUBBUB_DATABASE"),
        ("HUBBUB_ACCOUNT_SID", "me", "HUBBUB_ACCOUNT_SID"),
        ("HUBBUB_PUBLIC_URL", "chat.example.com", "HUBBUB_PUBLIC_URL"),
        ("HUBBUB_ENCRYPTION_KEY", "short", "HUBBUB_ENCRYPTION_KEY"),
        ("HUBBUB_APNS_URL", "http://localhost", "HUBBUB_APNS_URL"),
        ("HUBBUB_FCM_URL", "https://localhost:port", "HUBBUB_FCM_URL"),
        ("HUBBUB_FCM_AUTH_URL", "https://", "HUBBUB_FCM_AUTH_URL"),
        ("HUBBUB_PUSH_CA_FILE", __file__, "HUBBUB_PUSH_CA_FILE"),
        ("HUBBUB_PUSH_CA_FILE", "/nowhere.pem", "HUBBUB_PUSH_CA_FILE"),
        ("HUBBUB_DATABASE", "postgresql://postgres@127.0.0.1:1/nowhere", "HUBBUB_DATABASE"),
    ],
)
def test_bad_setting_stops_the_start(tmp_path: Path, name: str, value: str, named: str) -> None:
    """A setting that will not do is named in one sentence that says what to change."""
    server = Server(tmp_path / "data", f"sqlite:///{tmp_path / 'hubbub.db'}", {name: value})

    assert named in refusal(server)


def test_taken_port_stops_the_start(stopped: Server) -> None:
    """A port that something else listens on is named in one sentence."""
    stopped.start()
    other = Server(stopped.data_dir.parent / "other", "", port=stopped.port)

    assert str(stopped.port) in refusal(other)


def test_wrong_encryption_key_stops_the_start(stopped: Server) -> None:
    """Another key than the one that encrypted the secrets is found at the start, not at the first call."""
    key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    stopped.settings["HUBBUB_ENCRYPTION_KEY"] = key

    said = refusal(stopped)

    assert "HUBBUB_ENCRYPTION_KEY" in said
    assert key not in said
