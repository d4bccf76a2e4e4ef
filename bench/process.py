"""What a process has used, from the system's own account of it."""

import os
import subprocess
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Of all its threads, in user and system mode."""
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        kilobytes = status.read_text().split("VmRSS:")[1].split()[0]
    else:
        kilobytes = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=True
        ).stdout.decode()
    return int(kilobytes) * 1024 / 1e6
