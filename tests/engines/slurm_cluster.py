"""A Slurm of two nodes on this machine: one controller, two daemons with names and ports of their own, and munge, all on loopback."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

from engines.toys import await_that

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "srun")
NODES = ("n1", "n2")

_CONF = """\
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=1
ReturnToService=2
SlurmdTimeout=6
InactiveLimit=0
KillWait=2
MinJobAge=300
{nodes}
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=60 State=UP
"""


def lacking() -> list[str]:
    """The programs of Slurm and munge that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


class SlurmCluster:
    """Started on entry, stopped on exit. ``environment`` is what clients need to find it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": _path()}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> SlurmCluster:
        """Configure and start everything; ready when both nodes are idle."""
        ports = _free_ports(1 + len(NODES))
        for name in ("state", "munge"):
            (self.folder / name).mkdir(mode=0o700, parents=True)
        nodes = [
            f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs=1 RealMemory=2000"
            for name, port in zip(NODES, ports[1:], strict=True)
        ]
        conf = _CONF.format(folder=self.folder, user=getpass.getuser(), controller=ports[0], nodes="\n".join(nodes))
        (self.folder / "slurm.conf").write_text(conf, encoding="utf-8")
        try:
            self._start_munge()
            self._start("slurmctld", "slurmctld", "-D", "-i")
            await_that(lambda: len(self._states()) == len(NODES))
            for name in NODES:
                self.start_node(name)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        """Stop everything that was started."""
        for name in NODES:
            self.kill_node(name)
        for process in reversed(self._running.values()):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start_node(self, name: str) -> None:
        """Start a node that is not running; it is given work again."""
        self._start(name, "slurmd", "-D", "-N", name)
        await_that(lambda: self._states().get(name) in ("idle", "mixed", "allocated"))

    def kill_node(self, name: str) -> None:
        """What a power cut does: the daemon, its keepers of steps and all they run are gone at once."""
        daemon = self._running.pop(name, None)
        if daemon is not None:
            daemon.kill()
            daemon.wait()
        for pid in self._of_node(name):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def node_of(self, pid: int) -> str:
        """The node that a process runs on."""
        return next(name for name in NODES if pid in self._of_node(name))

    def runs(self, name: str) -> bool:
        """Whether a rank runs on a node; before, its task only starts a shell."""
        for pid in self._of_node(name):
            with suppress(OSError):
                if b"launch_pickled_pipeline" in (Path("/proc") / str(pid) / "cmdline").read_bytes():
                    return True
        return False

    def ask(self, *command: str) -> str:
        """What a client of Slurm prints."""
        return subprocess.run(command, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False).stdout

    def _start_munge(self) -> None:
        folder = self.folder / "munge"
        (folder / "key").write_bytes(os.urandom(128))
        (folder / "key").chmod(0o400)
        files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        self._start("munged", "munged", "--foreground", "--force", *(f"--{name}={folder / file}" for name, file in files.items()))
        await_that((folder / "socket").exists)

    def _start(self, name: str, *command: str) -> None:
        program = str(shutil.which(command[0], path=_path()))
        with (self.folder / f"{name}.out").open("wb") as out:
            started = subprocess.Popen([program, *command[1:]], stdout=out, stderr=out, env={**os.environ, **self.environment})
        self._running[name] = started

    def _states(self) -> dict[str, str]:
        return dict(line.split() for line in self.ask("sinfo", "--noheader", "--Node", "--format=%N %T").splitlines())

    def _of_node(self, name: str) -> list[int]:
        """The processes of a node's tasks, which know its name, and the daemons that keep them."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                known = (folder / "environ").read_bytes().split(b"\0")
                if f"SLURMD_NODENAME={name}".encode() in known and f"SLURM_CONF={self.environment['SLURM_CONF']}".encode() in known:
                    parent = int((folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
                    keeper = (Path("/proc") / str(parent) / "cmdline").read_bytes().startswith(b"slurmstepd")
                    found += [parent, int(folder.name)] if keeper else [int(folder.name)]
        return found


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; all are held until all are found."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
