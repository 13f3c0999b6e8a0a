"""What is promised where the platform has less (an old Landlock, none, no libseccomp, a container's filter): the rest is kept, and told."""

import errno
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from verifier.candidates import spawning
from verifier.candidates import zygote as zygotes
from verifier.candidates.limits import Limits
from verifier.candidates.session import Target
from verifier.candidates.zygote import Zygote
from verifier.errors import IsolationError

ROOT = Path(__file__).resolve().parents[2]
OLD_LANDLOCK = """
    import os, sys
    sys.path.remove(os.path.dirname(__file__))
    del sys.modules["landlock"]
    import landlock as real

    class Ruleset(real.Ruleset):
        def __init__(self, rights):
            if int(rights) >= 1 << 13:
                raise OSError(22, "Invalid argument")
            super().__init__(rights)

    real.Ruleset, real.landlock_abi_version = Ruleset, lambda: 1
"""
SOURCE = """
    import os
    def backprop():
        return 1
    def attack():
        def tried(act):
            try:
                act()
                return 1
            except OSError:
                return 0
        open("mine", "w").write("x")
        os.mkdir("folder")
        import socket
        acts = [
            lambda: open("/etc/passwd"), lambda: open(__file__, "a"), lambda: os.truncate(__file__, 0), lambda: os.listdir("/tmp"),
            lambda: os.fork() or os._exit(0), lambda: socket.socket(), lambda: os.kill(os.getppid(), 0),
        ]
        return [tried(act) for act in acts]
"""
FILES, CALLS = slice(0, 4), slice(4, 7)


@pytest.fixture
def shadow(tmp_path, monkeypatch) -> Callable[[str, str], None]:
    """Put a module of this name and source before the installed one, in the zygote."""
    real = spawning._clean_environment

    def put(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        monkeypatch.setattr(spawning, "_clean_environment", lambda: real() | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])})

    return put


def attacked(start, zygote) -> tuple[dict, list[float]]:
    worker = start(SOURCE, zygote=zygote)
    isolation = worker.hello["isolation"]
    return isolation, worker.value({"function": "attack"}).tolist()


def test_with_the_first_landlock_everything_is_still_refused(shadow, start):
    shadow("landlock", OLD_LANDLOCK)
    with Zygote(isolation="auto") as zygote:
        isolation, through = attacked(start, zygote)
    if isolation["files"] is False:
        pytest.skip(isolation["reason"])
    assert isolation["landlock_abi"] == 1
    assert isolation["reason"] is None
    assert through == [0] * 7


def test_without_landlock_system_calls_and_limits_are_kept_and_the_reason_is_told(shadow, start):
    shadow("landlock", "raise OSError('Landlock is not built into this kernel')")
    with Zygote(isolation="auto") as zygote:
        isolation, through = attacked(start, zygote)
        reply = start("def backprop():\n    pass\n", zygote=zygote, forbid=("torch",)).hello["isolation"]
    assert (isolation["files"], isolation["limits"], isolation["landlock_abi"]) == (False, True, None)
    assert "not built into this kernel" in isolation["reason"]
    assert "forbidden packages (torch)" in reply["reason"]
    if isolation["system_calls"]:
        assert through[CALLS] == [0, 0, 0]
    require_refuses("files")


def test_without_libseccomp_files_and_limits_are_kept_and_the_reason_is_told(shadow, start):
    shadow("pyseccomp", "raise RuntimeError('Unable to find libseccomp')")
    with Zygote(isolation="auto") as zygote:
        isolation, through = attacked(start, zygote)
    assert (isolation["system_calls"], isolation["limits"]) == (False, True)
    assert "Unable to find libseccomp" in isolation["reason"]
    if isolation["files"]:
        assert through[:2] == [0, 0]
    require_refuses("system calls")


def require_refuses(what: str) -> None:
    target = Target(ROOT / "tests" / "hostile" / "leaves_while_it_is_loaded.py", None, ())  # would leave if it ran
    with Zygote(isolation="require") as zygote, pytest.raises(IsolationError, match=f"{what}.* cannot be confined here"):
        zygote.start(target, Limits())


def test_on_a_mac_it_is_said_where_to_grade(monkeypatch):
    monkeypatch.setattr(zygotes.sys, "platform", "darwin")
    session = SimpleNamespace(hello={"isolation": {"files": False, "system_calls": False, "reason": "there is no Landlock"}})
    with pytest.raises(IsolationError, match=r"grade in a Linux container: docs/examples/Dockerfile"):
        Zygote._require_confinement(SimpleNamespace(_isolation="require"), session)


CONTAINER = """
    import os, sys
    import pyseccomp
    seccomp = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    denied = "mount umount2 unshare setns ptrace keyctl add_key request_key bpf perf_event_open kexec_load reboot init_module userfaultfd \\
        open_by_handle_at name_to_handle_at clone3 " + sys.argv[1]
    for name in denied.split():
        seccomp.add_rule(pyseccomp.ERRNO(int(sys.argv[3]) if name.startswith("landlock") else 1), name)
    seccomp.load()
    from pathlib import Path
    from verifier.candidates.limits import Limits
    from verifier.candidates.session import Target
    from verifier.candidates.zygote import Zygote
    from verifier.errors import IsolationError
    file = Path(sys.argv[2])
    with Zygote() as zygote, zygote.start(Target(file, None, (file,)), Limits()) as session:
        told = session.hello["isolation"]
        print(told["files"], told["system_calls"], told["limits"], session.hello["functions"])
        print(told["reason"])
    try:
        with Zygote(isolation="require") as zygote, zygote.start(Target(file, None, (file,)), Limits()):
            print("it runs")
    except IsolationError as refused:
        print(refused)
"""
LANDLOCK = "landlock_create_ruleset landlock_add_rule landlock_restrict_self"


@pytest.mark.parametrize(
    ("more", "number", "files"), [("", errno.EPERM, True), (LANDLOCK, errno.EPERM, False), (LANDLOCK, errno.ENOSYS, False)]
)
def test_inside_a_container_s_filter_the_worker_confines_itself_as_far_as_that_permits(more, number, files, zygote, start, tmp_path):
    """The system calls that Docker's default profile denies; then those of Landlock too, refused as in an older one, or unknown.

    What then runs under `auto`, with the kernel's reason in its report, does not run under `require`.
    """
    here = start("def backprop():\n    return 1\n").hello["isolation"]
    if not (here["files"] and here["system_calls"]):
        pytest.skip(here["reason"])
    file = tmp_path / "student.py"
    file.write_text("def backprop():\n    return 1\n")
    command = [sys.executable, "-c", textwrap.dedent(CONTAINER), more, str(file), str(number)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    auto, reason, required = done.stdout.strip().splitlines()
    assert auto == f"{files} True True {{'backprop': 1}}"
    if files:
        assert (reason, required) == ("None", "it runs")
    else:
        assert "Landlock is not available" in reason and f"[Errno {number}]" in reason
        assert required.startswith("isolation is required, but files cannot be confined here: Landlock is not available")
