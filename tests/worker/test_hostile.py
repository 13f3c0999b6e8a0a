"""Candidates that misbehave end in one clear reason, and never take the referee down."""

import os
import time
from pathlib import Path

import pytest

from verifier import wire
from verifier.candidates import session as sessions
from verifier.candidates.descriptors import Channel, TooLarge
from verifier.candidates.session import WorkerEnded

MIB = 1 << 20


def ending(start, body, **limits):
    """How the worker ended whose backprop() has this body."""
    worker = start(f"import os, sys, time\ndef backprop():\n    {body}\n", **limits)
    with pytest.raises(WorkerEnded) as ended:
        worker.ask()
    with pytest.raises(WorkerEnded) as again:
        worker.ask()
    assert again.value is ended.value
    assert not Path(f"/proc/{worker.pid}").exists()
    return ended.value


def test_an_endless_loop_ends_at_the_wall_limit(start):
    before = time.monotonic()
    ended = ending(start, "while True: pass", wall_seconds=0.5)
    assert (ended.reason, ended.text) == ("wall", "did not answer within 0.5 s (wall limit)")
    assert time.monotonic() - before < 2


def test_sleep_that_ignores_every_signal_ends_at_the_wall_limit(start):
    body = "import signal; [signal.signal(s, signal.SIG_IGN) for s in (1, 2, 3, 10, 12, 15)]; time.sleep(100)"
    assert ending(start, body, wall_seconds=0.3).reason == "wall"


def test_a_worker_that_stops_itself_ends_at_the_wall_limit(start):
    assert ending(start, "os.kill(os.getpid(), 19)", wall_seconds=0.3).reason == "wall"


def test_cpu_time_is_limited(start):
    ended = ending(start, "while True: pass", cpu_seconds=0.5, wall_seconds=20)
    assert (ended.reason, ended.text) == ("cpu", "used more than 0.5 s of CPU time for one answer (CPU limit)")


def test_cpu_time_is_limited_over_all_answers(start):
    ended = ending(start, "while True: pass", all_cpu_seconds=1, wall_seconds=20)
    assert (ended.reason, ended.text) == ("cpu", "used more than 1 s of CPU time in all (CPU limit)")


def test_cpu_time_is_limited_though_the_signal_is_ignored(start):
    assert (
        ending(
            start, "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n    while True: pass", all_cpu_seconds=1, wall_seconds=20
        ).reason
        == "cpu"
    )


@pytest.mark.parametrize("status", [0, 3])
def test_leaving_without_an_answer_is_told_with_the_status(start, status):
    ended = ending(start, f"os._exit({status})")
    assert ended.reason == "left"
    assert f"exit status {status}" in ended.text


def test_a_segmentation_fault_is_a_crash(start):
    ended = ending(start, "import ctypes; ctypes.string_at(0)")
    assert (ended.reason, ended.text) == ("crash", "was killed by SIGSEGV")


def test_an_abort_is_a_crash(start):
    assert ending(start, "os.abort()").text == "was killed by SIGABRT"


def test_ten_gigabytes_raise_a_memory_error_in_the_candidate(start):
    worker = start("import numpy as np\ndef backprop():\n    return np.ones(10 << 27)\n")
    raised = worker.reply()["raised"]
    assert (raised["type"], raised["line"]) == ("MemoryError", 3)


def test_memory_taken_bit_by_bit_raises_a_memory_error_too(start):
    worker = start("def backprop():\n    kept = []\n    while True:\n        kept.append(bytearray(1 << 20))\n", memory=400 * MIB)
    assert worker.reply()["raised"]["type"] == "MemoryError"


def test_an_endless_flood_is_cut_at_the_output_limit_and_its_end_kept(start):
    worker = start("def backprop():\n    while True:\n        print('x' * 1000)\n", output_bytes=2 * MIB)
    with pytest.raises(WorkerEnded) as ended:
        worker.ask()
    assert (ended.value.reason, ended.value.text) == ("output", "printed more than 2 MiB (output limit)")
    assert 60_000 < len(worker.printed()) <= 64 << 10


def test_a_flood_below_the_limit_does_not_block_the_answer(start):
    worker = start("def backprop():\n    for _ in range(1200):\n        print('x' * 1000)\n    return 1.5\n")
    assert worker.value() == 1.5
    assert worker.printed().endswith("x\n")


def test_prints_to_either_stream_and_by_descriptor_are_kept(start):
    source = """
        import os, sys
        print("loading")
        def backprop():
            print("a")
            print("b", file=sys.stderr)
            os.write(1, b"\\xff\\n")
            return 0
    """
    worker = start(source)
    worker.ask()
    assert worker.printed() == "loading\na\nb\n\ufffd\n"


def test_what_is_printed_can_never_be_an_answer(start):
    source = """
        import struct, os
        def backprop():
            os.write(1, struct.pack("<QI", 10, 1) + b"x" * 10)
            return 2.5
    """
    assert start(source).value() == 2.5


def test_closing_every_small_descriptor_does_no_harm(start):
    worker = start("import os\ndef backprop():\n    os.closerange(0, 256)\n    return 1\n")
    assert worker.value() == 1
    assert worker.value() == 1


def test_closing_all_descriptors_is_leaving(start):
    ended = ending(start, "os.closerange(0, 1 << 16)")
    assert (ended.reason, ended.text.partition(":")[2]) == ("left", " it closed the descriptor over which it should answer")


def test_closing_the_channel_and_living_on_is_leaving(start):
    ended = ending(start, "os.closerange(0, 1 << 16); time.sleep(100)")
    assert (ended.reason, ended.text) == ("left", "closed the channel over which it should answer")


SOCKETS = """
import json, os, stat, struct
from safetensors.numpy import save
def is_socket(n):
    try:
        return stat.S_ISSOCK(os.fstat(n).st_mode)
    except OSError:
        return False
channel = next(n for n in range(3, 1 << 16) if is_socket(n))
def write_frame(message):
    blob = save({}, {"frame": json.dumps({"message": message, "names": []})})
    os.write(channel, struct.pack("<QI", len(blob), 1) + blob)
"""


# What it sends, why it is ended, and what becomes of it where frames are believed.
FORGERIES = [
    ("os.write(channel, b'nonsense that is no frame')", "protocol", "breaks"),
    ("os.write(channel, struct.pack('<QI', 5, 1) + b'xxxxx')", "protocol", "breaks"),
    ("os.write(channel, struct.pack('<QI', 1 << 62, 1))", "answer", "breaks"),
    ("os.write(channel, struct.pack('<QI', 5, 9) + b'xxxxx')", "protocol", "breaks"),
    ("write_frame({'results': [{'form': None}], 'lines': [], 'number': 1})", "protocol", [{"form": None}]),
    ("write_frame({'results': [{'form': None}], 'lines': [], 'number': 7}); os._exit(0)", "protocol", [{"form": None}]),
    ("write_frame({'results': [], 'lines': [], 'number': 1}); os._exit(0)", "protocol", []),
    ("write_frame({'results': [{'form': 'a7'}], 'lines': [], 'number': 1}); os._exit(0)", "protocol", [{"form": "a7"}]),
    ("write_frame({'results': [{'raised': 3}], 'lines': [], 'number': 1}); os._exit(0)", "protocol", [{"raised": 3}]),
    ("write_frame({'results': {}, 'lines': 3, 'number': 1}); os._exit(0)", "protocol", {}),
    ("os.write(channel, b'x' * 5); os._exit(0)", "left", "waits"),
    ("os.write(channel, struct.pack('<QI', 1 << 20, 1) + b'{'); os._exit(0)", "left", "waits"),
]


@pytest.mark.parametrize(("forgery", "reason"), [row[:2] for row in FORGERIES])
def test_a_forged_frame_ends_the_worker_and_nothing_else(start, forgery, reason):
    worker = start(f"{SOCKETS}\ndef backprop():\n    {forgery}\n    return 1\n")
    with pytest.raises(WorkerEnded) as ended:
        worker.ask()
        worker.ask()  # a frame too many may arrive after the answer that it stands for
    assert ended.value.reason == reason


class AnyNumber(int):
    """The number of whatever question was asked."""

    def __add__(self, other):
        return self

    def __ne__(self, other):
        return False


@pytest.mark.parametrize(("forgery", "outcome"), [(forgery, outcome) for forgery, _, outcome in FORGERIES])
def test_where_frames_are_believed_a_forged_one_is_an_answer_or_the_referees_own_end(start, forgery, outcome, monkeypatch):
    worker = start(f"{SOCKETS}\ndef backprop():\n    {forgery}\n    return 1\n", wall_seconds=1.0)
    worker.session._number = AnyNumber(0)
    monkeypatch.setattr(Channel, "idle", True)
    monkeypatch.setattr(sessions, "check_replies", lambda *_: None)
    monkeypatch.setattr(sessions.Session, "_believed", lambda self, read: read())
    monkeypatch.setattr(sessions.Session, "_require_life", lambda self, loading: None)
    if outcome == "breaks":
        with pytest.raises((wire.WireError, TooLarge)):
            worker.ask()
    elif outcome == "waits":
        with pytest.raises(WorkerEnded, match="wall limit"):
            worker.ask()
    else:
        assert worker.ask().message["results"] == outcome


def test_a_hello_forged_while_loading_cannot_claim_another_isolation(start):
    forgery = "write_frame({'functions': {'forged': 1}, 'isolation': {'files': 'yes'}})"
    worker = start(f"{SOCKETS}\n{forgery}\n")
    assert worker.hello["functions"] == {"forged": 1}
    assert worker.hello["isolation"]["files"] in (True, False)
    with pytest.raises(WorkerEnded) as ended:
        worker.ask()
    assert ended.value.reason == "protocol"


def test_where_the_second_hello_is_believed_it_claims_what_it_likes(start, monkeypatch):
    monkeypatch.setattr(sessions, "plain_hello", lambda isolation, loaded: isolation | loaded)
    forgery = "write_frame({'functions': {'forged': 1}, 'isolation': {'files': 'yes'}})"
    assert start(f"{SOCKETS}\n{forgery}\n").hello["isolation"]["files"] == "yes"


def test_more_threads_than_allowed_end_the_worker(start):
    body = "import threading; [threading.Thread(target=time.sleep, args=(100,)).start() for _ in range(60)]; time.sleep(100)"
    ended = ending(start, body)
    assert (ended.reason, "more than 32 threads" in ended.text) == ("threads", True)


def test_a_few_threads_are_fine(start):
    source = """
        from concurrent.futures import ThreadPoolExecutor
        def backprop():
            with ThreadPoolExecutor(8) as pool:
                return sum(pool.map(float, range(100)))
    """
    assert start(source).value() == 4950


def test_scratch_is_limited_in_bytes_and_in_files(start):
    big = "f = open('a', 'wb'); [open(f'f{i}', 'wb').write(bytes(1 << 20)) for i in range(10)]; time.sleep(100)"
    assert "scratch limit" in ending(start, big, scratch_bytes=4 * MIB).text
    many = "[open(f'f{i}', 'w').close() for i in range(200)]; time.sleep(100)"
    assert "scratch limit" in ending(start, many, scratch_files=100).text


def test_an_answer_larger_than_allowed_is_refused_before_it_is_sent(start):
    worker = start("import numpy as np\ndef backprop():\n    return np.broadcast_to(1.0, (1 << 40,))\n", answer_bytes=MIB)
    assert worker.reply() == {"refused": "returned more bytes than an answer may have"}


def test_replacing_what_the_worker_stands_on_is_told(start):
    worker = start("import json\ndef backprop():\n    json.dumps = None\n    return 1\n")
    with pytest.raises(WorkerEnded, match="replaced something"):
        worker.ask()


def test_replaced_numpy_functions_do_no_harm(start):
    source = """
        import numpy as np
        np.array = np.asarray = np.require = np.copy = None
        np.seterr(all="raise")
        def backprop():
            return [1, 2]
    """
    assert start(source).value().tolist() == [1, 2]


def test_the_next_worker_starts_after_one_died(start):
    assert ending(start, "os._exit(0)").reason == "left"
    assert start("def backprop():\n    return 3\n").value() == 3


@pytest.mark.parametrize(
    "body", ["import os; os._exit(4)", "raise SystemExit(4)", "import ctypes; ctypes.string_at(0)", "while True: pass"]
)
def test_a_module_that_dies_or_hangs_while_it_loads_is_told(start, body):
    if "SystemExit" in body:
        assert start(body).hello["load_error"]["type"] == "SystemExit"
        return
    with pytest.raises(WorkerEnded) as ended:
        start(f"print('loading')\n{body}", load_seconds=0.5)
    assert ended.value.reason in {"left", "crash", "wall"}
    assert "load" in ended.value.text or ended.value.reason == "crash"
    assert ended.value.printed == "loading\n"


def test_scratch_is_removed_whatever_the_candidate_does_to_it(start):
    worker = start("import os\ndef backprop():\n    os.makedirs('a/b'); open('a/b/c', 'w').close(); os.mkdir('closed', 0)\n    return 1\n")
    worker.ask()
    scratch = Path(worker.scratch)
    assert sorted(os.listdir(scratch)) == ["a", "closed"]
    worker.session.close()
    assert not scratch.exists()


def test_a_scratch_deeper_than_any_path_and_any_recursion_is_removed(start):
    source = """
        import os
        def backprop():
            for _ in range(1200):
                os.mkdir("d" * 200)
                os.chdir("d" * 200)
            return 1
    """
    worker = start(source, scratch_files=10_000)
    assert worker.value() == 1
    worker.session.close()
    assert not Path(worker.scratch).exists()
    assert not Path(f"{worker.scratch}.pile").exists()


def test_answers_after_a_call_that_raised_are_those_of_the_next_calls(start):
    worker = start("def backprop():\n    raise KeyError('x')\ndef other():\n    return 5\n")
    assert worker.value({}, {"function": "other"}) == 5
