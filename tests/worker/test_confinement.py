"""What a confined candidate cannot do, and the ordinary things that it still can. Each promise is tried inside a real worker."""

import importlib.util
import os
import random
import socket
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from verifier.candidates.limits import Limits
from verifier.candidates.session import Target
from verifier.candidates.zygote import Zygote
from verifier.errors import IsolationError
from verifier.worker.confinement import prepare

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]


@pytest.fixture(autouse=True, scope="module")
def confined(zygote, tmp_path_factory):
    """These promises hold where the platform confines; elsewhere the report says that they do not."""
    file = tmp_path_factory.mktemp("probe") / "probe.py"
    file.write_text("def backprop(): pass\n")
    with zygote.start(Target(file, None, (file,)), Limits()) as session:
        isolation = session.hello["isolation"]
    if not (isolation["files"] and isolation["system_calls"]):
        pytest.skip(f"not confined here: {isolation['reason']}")


READS = {
    "the password file": "/etc/passwd",
    "the home folder": os.path.expanduser("~"),
    "the verifier's own code": str(ROOT / "verifier" / "wire.py"),
    "the reference implementations": str(ROOT / "reference_impls"),
    "this test": str(HERE),
    "the root folder": "/",
    "the temporary folder": "/tmp",
    "other processes": "/proc",
    "the referee": f"/proc/{os.getpid()}/environ",
}


@pytest.mark.parametrize("path", READS.values(), ids=READS.keys())
def test_reading_outside_is_refused(attempt, path):
    read = f"os.listdir({path!r})" if os.path.isdir(path) else f"open({path!r}).read()"
    assert attempt(read)["type"] == "PermissionError"


WRITES = [
    "open('/tmp/stolen', 'w')",
    f"open({str(HERE)!r}, 'a')",
    "open(__file__, 'a')",
    "os.unlink(__file__)",
    "os.rename(__file__, 'mine.py')",
    "os.mkdir('/tmp/stolen')",
    f"open(os.path.join({sys.prefix!r}, 'stolen'), 'w')",
    "open('/dev/shm/stolen', 'w')",
    "os.symlink('/etc/passwd', 'mine')",
    "os.link(__file__, 'mine')",
    "os.truncate(__file__, 0)",
    "os.chmod(__file__, 0o777)",
    "os.utime(__file__)",
    "os.chmod('.', 0o4777)",
]


@pytest.mark.parametrize("write", WRITES)
def test_writing_outside_scratch_is_refused(attempt, write):
    assert attempt(write)["type"] in {"PermissionError", "OSError"}
    assert not Path("/tmp/stolen").exists()


PROCESSES = [
    "os.fork()",
    "__import__('subprocess').run(['true'])",
    "os.system('true') and exec('raise PermissionError')",
    "os.posix_spawn('/bin/true', ['true'], {})",
    "os.execv('/bin/true', ['true'])",
    "__import__('multiprocessing').Process(target=print).start()",
    "os.kill(os.getppid(), 0)",
    "os.kill(1, 0)",
    "os.kill(-1, 0)",
    "os.killpg(0, 0)",
    "__import__('signal').pidfd_send_signal(os.pidfd_open(os.getppid()), 0)",
    "os.setpriority(os.PRIO_PROCESS, os.getppid(), 5)",
    "os.sched_setaffinity(os.getppid(), {0})",
    "__import__('resource').setrlimit(__import__('resource').RLIMIT_AS, (1 << 40, 1 << 40))",
    "__import__('resource').prlimit(os.getppid(), __import__('resource').RLIMIT_AS, (1 << 30, 1 << 30))",
    "os.memfd_create('x')",
    "os.setuid(1)",
    "os.setsid()",
    "os.chroot('.')",
]


@pytest.mark.parametrize("act", PROCESSES)
def test_new_processes_and_signals_to_others_are_refused(attempt, act):
    assert attempt(act)["type"] in {"PermissionError", "BlockingIOError", "ValueError", "OSError"}


SOCKETS = [
    "socket.socket()",
    "socket.create_connection(('127.0.0.1', PORT), 1)",
    "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "socket.socket(socket.AF_UNIX)",
    "socket.socket(socket.AF_NETLINK)",
    "socket.socketpair(socket.AF_INET)",
    "socket.socketpair()[0].sendmsg([b'x'])",
    "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b'x', '/tmp/s')",
]


@pytest.mark.parametrize("act", SOCKETS)
def test_sockets_are_refused(attempt, act):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert attempt(f"import socket\n{act.replace('PORT', str(port))}")["type"] in {"PermissionError", "OSError"}


def test_raw_system_calls_with_high_bits_set_are_refused_too(attempt):
    """A filter that compared 64 bits where the kernel looks at 32 would let these pass: prctl(PR_SET_DUMPABLE), kill(parent)."""
    lines = """
        import ctypes
        call = ctypes.CDLL(None, use_errno=True).syscall
        high = 1 << 32
        told = [call(157, ctypes.c_ulong(high | 4), 1, 0, 0, 0), call(62, ctypes.c_ulong(high | os.getppid()), 0), call(435, 0, 0)]
        raise ValueError(repr(told))
    """
    if os.uname().machine != "x86_64":
        pytest.skip("numbers of x86-64")
    assert attempt(lines)["text"] == "[-1, -1, -1]"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a worker a user of its own")
def test_as_root_each_worker_is_a_user_of_its_own_where_all_can_read_its_file(zygote):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        file = Path(folder, "student.py")
        file.write_text(
            "import os, threading, time\n"
            "def backprop():\n    open('mine', 'w').write('x')\n    return [os.getuid(), os.getgid(), len(os.getgroups()), "
            "os.stat('mine').st_uid]\n"
            "def many():\n    for _ in range(100):\n        threading.Thread(target=time.sleep, args=(0.1,), daemon=True).start()\n"
        )
        target = Target(file, None, (file,))
        call = {"arguments": [], "form": "array"}
        with zygote.start(target, Limits()) as closed:
            assert not closed.hello["isolation"]["own_user"]  # a temporary folder is its owner's alone
        os.chmod(folder, 0o755)
        users = []
        with zygote.start(target, Limits(threads=8)) as one, zygote.start(target, Limits(threads=8)) as other:
            if not one.hello["isolation"]["own_user"]:
                pytest.skip("the interpreter is readable to root alone, or there is no other user")
            for session in (one, other):
                user, group, groups, owner = session.ask({"calls": [{"function": "backprop", **call}]}, {}).arrays["a0"].tolist()
                assert (group, groups, owner) == (user, 0, user)
                users.append(user)
            raised = one.ask({"calls": [{"function": "many", **call}]}, {}).message["results"][0]["raised"]
            assert raised["text"] == "can't start new thread"
        assert len({0, *users}) == 3


def test_root_has_no_capabilities_left(start):
    worker = start(
        "def backprop():\n    return [int(l.split()[1], 16) for l in open('/proc/self/status') if l.startswith(('CapEff', 'CapPrm'))]\n"
    )
    assert worker.value().tolist() == [0, 0]


def test_the_kernel_itself_holds_the_limits(start):
    """Whatever the referee watches: processor time, files, memory, no dump of it, and none that is locked."""
    right = {"CPU": 8, "NOFILE": 40, "FSIZE": 9 << 20, "CORE": 0, "DATA": 700 << 20, "AS": (700 << 20) + (6 << 30), "MEMLOCK": 0}
    source = f"""
        import resource
        def backprop():
            return [resource.getrlimit(getattr(resource, "RLIMIT_" + name)) for name in {list(right)}]
    """
    worker = start(source, all_cpu_seconds=7.5, open_files=40, scratch_bytes=9 << 20, memory=700 << 20)
    soft, hard = worker.value().T
    assert dict(zip(right, soft.tolist(), strict=True)) == right
    assert dict(zip(right, hard.tolist(), strict=True)) == right | {"CPU": 9}


def test_what_it_writes_is_its_own_and_nobody_can_read_its_memory(start):
    source = """
        import ctypes, os
        PR_GET_DUMPABLE = 3
        def backprop():
            open("mine", "w").close()
            return [os.stat("mine").st_mode & 0o777, ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)]
    """
    assert start(source).value().tolist() == [0o600, 0]


def test_random_numbers_begin_alike_in_every_worker(start):
    source = """
        import random
        def backprop():
            return random.random()
    """
    assert start(source).value() == start(source).value() == random.Random(0).random()


def test_the_environment_tells_nothing_of_the_referees(start, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "x")
    with Zygote() as zygote:
        worker = start(
            "import os\ndef backprop():\n    return 1.0 * ('SECRET_TOKEN' in os.environ or 'PYTHONPATH' in os.environ)\n", zygote=zygote
        )
        assert worker.value() == 0


def test_no_descriptor_is_inherited_but_the_worker_s_own(start):
    worker = start("import os\ndef backprop():\n    return [int(n) for n in os.listdir('/proc/self/fd')]\n")
    descriptors = worker.value().tolist()
    assert descriptors[:3] == [0, 1, 2]
    assert len([number for number in descriptors if number > 100]) == 1
    assert len(descriptors) <= 5  # one is that of listdir


def test_one_worker_cannot_see_another(start):
    other = start("def backprop():\n    return 0\n")
    pid, scratch = other.pid, other.scratch
    lines = f"""
        import os
        def tried(act):
            try:
                act()
                return 1
            except OSError:
                return 0
        def backprop():
            acts = [lambda: os.kill({pid}, 0), lambda: open("/proc/{pid}/maps").read(), lambda: os.listdir({scratch!r})]
            return [tried(act) for act in acts]
    """
    assert start(lines).value().tolist() == [0, 0, 0]


def test_the_verifier_cannot_be_imported(start):
    source = "def backprop():\n    import verifier.textbook\n"
    assert start(source).reply()["raised"]["type"] == "ModuleNotFoundError"


def test_a_single_file_may_read_itself_and_not_its_neighbours(start, tmp_path):
    (tmp_path / "neighbour.py").write_text("x = 1\n")
    raised = start(f"def backprop():\n    open(__file__).read()\n    open({str(tmp_path / 'neighbour.py')!r})\n").reply()["raised"]
    assert (raised["type"], raised["line"]) == ("PermissionError", 3)


def test_a_folder_imports_its_neighbours_and_reads_its_files(start, tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "__init__.py").touch()
    (tmp_path / "net" / "layers.py").write_text("factor = 3\n")
    (tmp_path / "data.txt").write_text("4")
    source = """
        from pathlib import Path
        from net.layers import factor
        def backprop():
            return factor * int((Path(__file__).parent / "data.txt").read_text())
    """
    assert start(source, folder=True).value() == 12


ORDINARY = {
    "threads": "import threading; t = threading.Thread(target=print); t.start(); t.join()",
    "a singular value decomposition": "import numpy as np; np.linalg.svd(np.eye(50))",
    "random numbers": "import numpy as np; np.random.default_rng(0).normal(size=3); os.urandom(4)",
    "temporary files": "import tempfile\n"
    "with tempfile.NamedTemporaryFile() as f: f.write(b'x')\nwith tempfile.TemporaryDirectory() as d: open(d + '/a', 'w')",
    "saved arrays": "import numpy as np; np.save('a.npy', np.eye(3)); np.load('a.npy', mmap_mode='r')",
    "renamed files": "open('a', 'w').close(); os.mkdir('b'); os.rename('a', 'b/a'); os.remove('b/a'); os.rmdir('b')",
    "asyncio": "import asyncio; asyncio.run(asyncio.sleep(0))",
    "a callback through ctypes": "import ctypes; ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 3)()",
    "the null device": "open('/dev/null', 'w').write('x'); open('/dev/null').read()",
    "the time zone": "import time, datetime; time.localtime(); datetime.datetime.now().astimezone()",
    "a warning": "import warnings; warnings.warn('x')",
    "a pool of threads from multiprocessing": "from multiprocessing.pool import ThreadPool; import multiprocessing.dummy",
    "dataclasses and inspect": "import dataclasses, inspect; inspect.getsource(backprop)",
}


@pytest.mark.parametrize("lines", ORDINARY.values(), ids=ORDINARY.keys())
def test_ordinary_code_runs(attempt, lines):
    assert attempt(lines) == {}


LIBRARIES = {
    "sklearn": "import numpy as np, warnings; warnings.simplefilter('ignore'); from sklearn.neural_network import MLPRegressor\n"
    "MLPRegressor(hidden_layer_sizes=(3,), max_iter=2).fit(np.random.rand(20, 2), np.random.rand(20))",
    "autograd": "import autograd.numpy as np; from autograd import grad; assert grad(lambda x: np.tanh(x) ** 2)(0.0) == 0",
    "micrograd": "from micrograd.nn import MLP; MLP(2, [3, 1])([1.0, 2.0]).backward()",
    "scipy": "import scipy.special; scipy.special.expit(0.0)",
    "torch": "import torch; torch.nn.Linear(3, 2)(torch.ones(4, 3)).sum().backward()",
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_published_libraries_import_and_run(attempt, library):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    assert attempt(LIBRARIES[library], wall_seconds=60.0) == {}


def test_isolation_off_confines_nothing_but_keeps_the_limits(start):
    with Zygote(isolation="off") as zygote:
        worker = start("def backprop():\n    return len(open('/etc/passwd').read())\n", zygote=zygote)
        isolation = worker.hello["isolation"]
        assert (isolation["files"], isolation["system_calls"], isolation["limits"]) == (False, False, True)
        assert isolation["reason"] == "isolation is switched off"
        assert worker.value() > 0


def test_require_starts_where_confinement_is_to_be_had(start):
    with Zygote(isolation="require") as zygote:
        worker = start("def backprop():\n    return 1\n", zygote=zygote)
        assert worker.hello["isolation"]["system_calls"]
        assert worker.hello["functions"] == {"backprop": 1}


def test_require_refuses_to_run_a_candidate_that_cannot_be_confined(start, monkeypatch, tmp_path):
    """A landlock package that finds no Landlock stands before the real one on the zygote's path, as on an old kernel."""
    (tmp_path / "landlock.py").write_text("raise OSError('Landlock is not built into this kernel')\n")
    from verifier.candidates import spawning as module

    real = module._clean_environment
    monkeypatch.setattr(module, "_clean_environment", lambda: real() | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])})
    source = textwrap.dedent("""
        print("ran")
        def backprop():
            return 1
    """)
    with (
        Zygote(isolation="require") as zygote,
        pytest.raises(IsolationError, match="files cannot be confined here: Landlock"),
    ):
        start(source, zygote=zygote)
    with Zygote(isolation="auto") as zygote:
        isolation = start(source, zygote=zygote).hello["isolation"]
        assert (isolation["files"], isolation["system_calls"]) == (False, True)
        assert "not built" in isolation["reason"]


FORBIDDEN = {"autograd": "import autograd", "sklearn": "import sklearn.neural_network", "micrograd": "from micrograd.engine import Value"}


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_forbidden_package_cannot_be_imported_however_it_is_tried(attempt, package):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    folder = os.path.dirname(importlib.util.find_spec(package).origin)
    tries = [
        FORBIDDEN[package],
        f"import sys; sys.meta_path[:] = sys.meta_path[1:]; sys.path.insert(0, {os.path.dirname(folder)!r}); import {package}",
        f"open({os.path.join(folder, '__init__.py')!r}).read()",
    ]
    for lines in tries:
        assert attempt(lines, forbid=(package, "not_installed"))["type"] in {"PermissionError", "ModuleNotFoundError", "ImportError"}
    assert attempt("import numpy, safetensors", forbid=(package,)) == {}
    assert attempt(FORBIDDEN[package], load_seconds=60.0, wall_seconds=60.0) == {}


def test_without_scratch_nothing_can_be_written_anywhere(start):
    source = """
        import os, tempfile
        def backprop():
            def tried(act):
                try:
                    act()
                    return 1
                except OSError:
                    return 0
            acts = (tempfile.TemporaryFile, lambda: open("x", "w"), lambda: os.mkdir("/tmp/x"), lambda: os.listdir("."))
            return [tried(act) for act in acts]
        def ordinary():
            import threading
            thread = threading.Thread(target=print)
            thread.start()
            thread.join()
            return open("/dev/null", "w").write("x")
    """
    worker = start(source, scratch_bytes=0)
    assert worker.value().tolist() == [0, 0, 0, 0]
    assert worker.value({"function": "ordinary"}) == 1


def test_every_installed_copy_of_the_verifier_is_excluded(tmp_path, monkeypatch):
    """The clone that runs is one; its right answers may be installed beside it."""
    (tmp_path / "verifier").mkdir()
    (tmp_path / "another").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    excluded = prepare([str(ROOT / "verifier")], wanted=True).excluded
    assert {os.path.realpath(ROOT / "verifier"), os.path.realpath(tmp_path / "verifier")} <= excluded
    assert os.path.realpath(tmp_path / "another") not in excluded
