"""Runs in the author's own environment: `python -m verifier.audit.inside SPEC` collects their tests once and audits, or does one job.

It is a pytest plug-in that takes the place of the loop over the tests. Nothing is written into the project: caches go to a folder of the
audit's own. The specification is a JSON file; answers go to the descriptor that it names.
"""

import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from verifier.audit.auditing import Auditing, Settings
from verifier.audit.children import forked, fresh, sender
from verifier.audit.finding.everything import find_passages
from verifier.audit.finding.passages import Scope
from verifier.audit.jobs import Job, Stage


class Spec(Settings, frozen=True, kw_only=True):
    """What is asked of this process, and how the audit is run.

    Attributes:
        pipe: descriptor for the answers.
        home: a folder for what tests and plug-ins write.
        job: of a fresh process, its one job.
    """

    arguments: tuple[str, ...]
    pipe: int
    home: str
    package: str | None = None
    backward: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    fresh: bool = False
    job: Job | None = None


class Plugin:
    """Takes the place of pytest's own loop."""

    def __init__(self, spec: Spec) -> None:
        self._spec, self._send = spec, sender(spec.pipe)
        self._uncollected: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> None:
        """pytest-xdist would run the tests in processes where nobody listens."""
        if hasattr(config.option, "numprocesses"):
            config.option.numprocesses, config.option.dist, config.option.tx = None, "no", []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            lines = [line.strip() for line in str(report.longrepr).split("\n") if line.strip()]
            self._uncollected.append(f"{report.nodeid}: {lines[-1] if lines else 'it fails'}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            self._send({"refused": f"the tests cannot be collected: {'; '.join(self._uncollected[:3])}"})
            return True
        spec = self._spec
        names = frozenset(item.module.__name__ for item in session.items if hasattr(item, "module"))
        holding = frozenset(name for name, module in sys.modules.items() if _is_conftest(module))
        scope = Scope(Path(spec.root), spec.package, names | holding)
        passages = find_passages(scope, backward=spec.backward, only=spec.only)
        items = {item.nodeid: item for item in session.items}
        stage = Stage(items, passages, scope, spec.only)
        if spec.job is not None:
            stage.perform(spec.job, self._send)
            return True
        if not passages:
            self._send({"refused": "no hand-written backward pass was found"})
            return True
        if not items:
            self._send({"refused": "there are no tests"})
            return True
        self._audit(session, stage)
        return True

    def _audit(self, session: pytest.Session, stage: Stage) -> None:
        spec, send = self._spec, self._send
        why = "asked for" if spec.fresh else unforkable()

        def perform(job: Job, tell: Callable[[Mapping[str, Any]], None]) -> None:
            own_folder(session.config, Path(spec.home))
            stage.perform(job, tell)

        auditing = Auditing(
            list(stage.items),
            stage.passages,
            fresh(self._written) if why else forked(perform),
            spec,
            progress=lambda phase, done, of: send({"progress": [phase, done, of]}),
            forked=not why,
            why_fresh=why,
        )
        send({"audit": msgspec.to_builtins(auditing.audit())})

    def _written(self, job: Job, pipe: int) -> str:
        """The specification of a fresh process for this job."""
        home = Path(self._spec.home) / f"job{pipe}-{os.urandom(4).hex()}"
        home.mkdir()
        path = home / "spec.json"
        path.write_bytes(msgspec.json.encode(msgspec.structs.replace(self._spec, job=job, pipe=pipe, home=str(home))))
        return str(path)


def _is_conftest(module: Any) -> bool:
    return os.path.basename(getattr(module, "__file__", None) or "") == "conftest.py"


def unforkable() -> str:
    """Why a fork of this process is not safe; "" where it is."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return "CUDA is initialised when the tests are imported"
    bridge: Any = sys.modules.get("jax._src.xla_bridge")
    if bridge is not None and bridge.backends_are_initialized():
        return "JAX has started when the tests are imported"
    if threading.active_count() > 1:
        return "threads run when the tests are imported"
    return ""


def own_folder(config: Any, home: Path) -> None:
    """In a fork: folders for the tests of its own, since its siblings have the same."""
    factory = getattr(config, "_tmp_path_factory", None)
    if factory is not None and hasattr(factory, "_given_basetemp"):
        factory._given_basetemp, factory._basetemp = home / f"tests-{os.getpid()}", None


def pytest_arguments(spec: Spec) -> list[str]:
    """The author's, and what keeps pytest from writing, printing and shuffling."""
    extra = [
        "-p",
        "no:randomly",
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",  # the verifier is loaded before its own plug-in
        "--capture=sys",
        "--tb=native",
        "-o",
        f"cache_dir={spec.home}/pytest_cache",
        f"--basetemp={spec.home}/tests",
    ]
    if not os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD") and importlib.util.find_spec("pytest_cov") is not None:
        extra += ["--no-cov"]
    return [*spec.arguments, *extra]


def main(path: str) -> int:
    """Run pytest with the plug-in; the status is of no use to anybody."""
    spec = msgspec.json.decode(Path(path).read_bytes(), type=Spec)
    try:
        status = pytest.main(pytest_arguments(spec), plugins=[Plugin(spec)])
    except BaseException as error:
        sender(spec.pipe)({"broke": f"{type(error).__name__}: {error}"})
        raise
    sender(spec.pipe)({"ended_with": int(status)})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
