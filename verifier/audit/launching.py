"""Starts the process that collects the author's tests and audits, and takes what it says."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from verifier.audit.results import Audit
from verifier.errors import HarnessError, RequestError

TAIL = 20  # lines of pytest's output that are shown where it could not collect


def audit(spec: dict[str, Any], progress: Callable[[str, int, int], None] = lambda phase, done, of: None) -> Audit:
    """The audit that this specification asks for (the fields of `inside.Spec` but for `pipe` and `home`).

    The process runs as `python -m pytest` would in the working folder: with the same interpreter, environment and search path.

    Raises:
        RequestError: there are no tests, no backward pass, or the tests cannot be collected; the text says which, and what pytest said.
        HarnessError: the process died.
    """
    with tempfile.TemporaryDirectory(prefix="verifier-audit-") as home:
        reading, writing = os.pipe()
        file = Path(home) / "spec.json"
        file.write_text(json.dumps({**spec, "pipe": writing, "home": home}), encoding="utf-8")
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "HYPOTHESIS_STORAGE_DIRECTORY": f"{home}/hypothesis"}
        log = Path(home) / "pytest.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "verifier.audit.inside", str(file)],
                pass_fds=(writing,),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
            os.close(writing)
            try:
                for message in _messages(reading):
                    if "progress" in message:
                        progress(*message["progress"])
                    elif "audit" in message:
                        return msgspec.convert(message["audit"], Audit)
                    elif "refused" in message:
                        raise RequestError(message["refused"])
                process.wait()
                if process.returncode == 0:
                    raise RequestError(f"pytest did not run the tests{_said(log)}")
                raise HarnessError(f"the audit's process ended with status {process.returncode}{_said(log)}")
            finally:
                _end(process)
                os.close(reading)


def _messages(pipe: int) -> Iterator[dict[str, Any]]:
    with os.fdopen(os.dup(pipe), encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _end(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(timeout=5)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()


def _said(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return ":\n" + "\n".join(lines[-TAIL:]) if lines else ""
