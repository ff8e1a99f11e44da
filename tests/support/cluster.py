"""A real SLURM on this machine, for tests: two pretended GPUs, two cores, one partition called `main`.

Only root can start it, and it needs the Debian packages slurmctld, slurmd, slurm-client and munge.
"""

import os
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "sinfo")
PARTITION = "main"


def why_not() -> str:
    """Why no SLURM can be started here; empty if one can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if os.getuid() != 0:
        return "only root can start SLURM"
    if Path("/etc/slurm/slurm.conf").exists():
        return "this machine has a SLURM of its own"
    return ""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def slurm() -> Iterator[None]:
    """Run a SLURM while the block lasts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # its socket must be open to all
        with running(folder):
            yield


@contextmanager
def running(folder: Path) -> Iterator[None]:
    for part in ("secret", "state", "spool"):
        (folder / part).mkdir(mode=0o700)
    key, munge, state = folder / "secret" / "key", folder, folder / "state"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    pretended = [folder / f"fakegpu{number}" for number in range(2)]
    for device in pretended:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    host = socket.gethostname()
    configuration = folder / "slurm.conf"
    configuration.write_text(
        f"""ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={munge}/munge.socket
CryptoType=crypto/munge
SlurmctldPort={free_port()}
SlurmdPort={free_port()}
StateSaveLocation={state}
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.txt
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
ReturnToService=2
MinJobAge=300
KillWait=20
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=12000 Gres=gpu:2
PartitionName={PARTITION} Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
    )
    (folder / "gres.conf").write_text(f"NodeName={host} Name=gpu File={folder}/fakegpu[0-1]\n")
    linked = [Path("/etc/slurm", name) for name in ("slurm.conf", "gres.conf")]
    linked[0].parent.mkdir(exist_ok=True)
    daemons = []
    try:
        for link in linked:
            link.symlink_to(folder / link.name)
        daemons.append(
            subprocess.Popen(
                [
                    "munged", "--foreground", "--key-file", key, "--socket", munge / "munge.socket",
                    "--pid-file", munge / "munge.pid", "--log-file", munge / "munge.log",
                    "--seed-file", munge / "munge.seed",
                ],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip
        wait_until(lambda: (munge / "munge.socket").exists(), munge / "munge.log")
        for command in (["slurmctld", "-D"], ["slurmd", "-D", "-N", host]):
            daemons.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_until(lambda: "idle" in output("sinfo", "-h", "-o", "%T"), folder / "slurmctld.log")
        yield
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(30)
        for link in linked:
            link.unlink(missing_ok=True)


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def wait_until(true, log: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(log.read_text() if log.exists() else f"{log} was not written")
        time.sleep(0.2)
