"""The commands as a user calls them, with what they cost."""
import dataclasses
import os
import pathlib
import subprocess
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
MODELS = SOURCE.parent / "shared" / "models"
BUILD = SOURCE / "build"


@dataclasses.dataclass
class Outcome:
    code: int
    out: str
    err: str
    seconds: float
    max_rss: int  # bytes


def run(*command, cwd=None):
    """Runs a command; the outcome has what it printed, its wall time and its peak resident memory."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began = time.monotonic()
        child = subprocess.Popen([str(c) for c in command], stdout=out, stderr=err, cwd=cwd)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        out.seek(0)
        err.seek(0)
        return Outcome(child.returncode, out.read(), err.read(), seconds, usage.ru_maxrss * 1024)


def tool(name, *arguments, **options):
    """Runs a tool of the build folder."""
    return run(BUILD / "bin" / name, *arguments, **options)


def check(outcome):
    """The outcome of a command that must succeed."""
    if outcome.code != 0:
        raise AssertionError(f"exit code {outcome.code}\n{outcome.out}{outcome.err}")
    return outcome
