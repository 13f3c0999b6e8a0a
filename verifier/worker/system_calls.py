"""The system calls that a confined worker does not have, as a seccomp filter (libseccomp, by name on every architecture).

Everything is allowed but what stands here: most attacks (new processes, programs, sockets, signals to others, changed metadata, kernel
interfaces) then have no system call left. Rules that compare an argument compare 32 bits where the kernel looks at 32, so that bits set
above them change nothing.
"""

import ctypes
import errno
import mmap
import os
import platform
import socket
import tempfile
from typing import Any

import pyseccomp  # type: ignore[import-untyped]

DENIED = """
socket connect bind listen accept accept4 sendmsg sendmmsg recvmmsg setsockopt
shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl
mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr ipc socketcall
fork vfork execve execveat setsid setpgid unshare setns ptrace kcmp tkill
process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_open pidfd_getfd pidfd_send_signal
mount umount umount2 chroot pivot_root open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr
bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register io_setup io_submit io_destroy io_cancel io_getevents
add_key request_key keyctl memfd_create memfd_secret lookup_dcookie uselib
inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_init fanotify_mark
chmod fchmod fchmodat chown fchown lchown fchownat utime utimes futimesat utimensat truncate truncate64
setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
mknod mknodat link linkat symlink symlinkat flock name_to_handle_at open_by_handle_at
setrlimit setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups capset
settimeofday clock_settime clock_adjtime adjtimex stime sched_setaffinity sched_setattr sched_setparam sched_setscheduler
setpriority nice ioprio_set mlock mlock2 mlockall munlockall mbind set_mempolicy set_mempolicy_home_node migrate_pages move_pages
personality modify_ldt quotactl quotactl_fd sync syncfs vmsplice acct swapon swapoff nfsservctl vhangup syslog sethostname setdomainname
init_module finit_module delete_module kexec_load kexec_file_load reboot iopl ioperm
"""

# Numbers are the same on all architectures from 424 on; libseccomp may be older than these calls.
NUMBERED = {
    "open_tree": 428,
    "pidfd_open": 434,
    "pidfd_getfd": 438,
    "process_madvise": 440,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "memfd_secret": 447,
    "process_mrelease": 448,
    "set_mempolicy_home_node": 450,
    "fchmodat2": 452,
    "statmount": 457,
    "listmount": 458,
    "lsm_set_self_attr": 460,
}
FIRST_UNKNOWN, LAST_UNKNOWN = 463, 599  # newer than this list: answered with ENOSYS, as an older kernel would
SHARED_NUMBERS = frozenset({"x86_64", "aarch64", "riscv64", "ppc64le", "s390x", "armv7l", "i686"})

WORD = 0xFFFFFFFF  # the part of an argument that the kernel looks at where it takes an int
CLONE_THREAD = 0x00010000
SHARED_MEMORY = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
INSTRUCTION = 8  # bytes
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_MM, PR_SET_CHILD_SUBREAPER = 1, 4, 35, 36
FIOSETOWN, SIOCSPGRP, TIOCSTI, TIOCLINUX = 0x8901, 0x8902, 0x5412, 0x541C
F_SETOWN, F_SETSIG, F_SETOWN_EX = 8, 10, 15
REFUSE = pyseccomp.ERRNO(errno.EPERM)
UNKNOWN = pyseccomp.ERRNO(errno.ENOSYS)


def compile_filter() -> bytes:
    """The kernel's program for all rules but those that need the worker's process id. The zygote compiles it: that takes longest."""
    with tempfile.TemporaryFile() as file:
        _build_filter().export_bpf(file)
        file.seek(0)
        return file.read()


def load_filter(program: bytes) -> None:
    """Apply the compiled filter, and the rules that need the process id, to the calling process, for good, while it has one thread."""
    own = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
        _deny(own, name, pyseccomp.Arg(0, pyseccomp.NE, os.getpid()))
    own.load()  # first, as it sets no_new_privs, which the next needs
    code = ctypes.create_string_buffer(program, len(program))
    header = _Program(len(program) // INSTRUCTION, ctypes.addressof(code))
    if LIBC.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(header), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        raise OSError(ctypes.get_errno(), "the filter of system calls was not taken")


class _Program(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def _build_filter() -> Any:
    seccomp = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    seccomp.set_attr(pyseccomp.Attr.ACT_BADARCH, pyseccomp.KILL_PROCESS)
    for name in DENIED.split():
        _deny(seccomp, name)
    shared = platform.machine() in SHARED_NUMBERS
    for number in NUMBERED.values() if shared else ():
        seccomp.add_rule(REFUSE, number)
    for number in range(FIRST_UNKNOWN, LAST_UNKNOWN + 1) if shared else ():
        seccomp.add_rule(UNKNOWN, number)
    _deny_by_argument(seccomp)
    return seccomp


def _deny_by_argument(seccomp: Any) -> None:
    # glibc falls back from clone3 (whose flags a filter cannot see) to clone; threads are allowed, processes are not.
    _deny(seccomp, "clone3", action=UNKNOWN)
    _deny(seccomp, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, CLONE_THREAD, 0))
    # Memory that several processes could share is no process's own: no limit would count it once it is written and put aside.
    for name in ("mmap", "mmap2"):
        _deny(seccomp, name, pyseccomp.Arg(3, pyseccomp.MASKED_EQ, SHARED_MEMORY, SHARED_MEMORY))
    _deny(seccomp, "prlimit64", pyseccomp.Arg(2, pyseccomp.NE, 0))
    _deny(seccomp, "sendto", pyseccomp.Arg(4, pyseccomp.NE, 0))
    _deny(seccomp, "socketpair", pyseccomp.Arg(0, pyseccomp.NE, int(socket.AF_UNIX)))
    for option in (PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_MM, PR_SET_CHILD_SUBREAPER):
        _deny(seccomp, "prctl", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, WORD, option))
    for command in (FIOSETOWN, SIOCSPGRP, TIOCSTI, TIOCLINUX):
        _deny(seccomp, "ioctl", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, WORD, command))
    for command in (F_SETOWN, F_SETSIG, F_SETOWN_EX):
        _deny(seccomp, "fcntl", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, WORD, command))


def _deny(seccomp: Any, name: str, *conditions: Any, action: int = REFUSE) -> None:
    """Add a rule; a name that libseccomp or this architecture does not know has nothing to deny."""
    number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
    if number >= 0:
        seccomp.add_rule(action, number, *conditions)
