"""Where work is done beyond this process: workers on this machine, or a dask cluster that runs already."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from napari_topaz.events import JobError

if TYPE_CHECKING:
    from distributed import Client

#: Seconds that a scheduler may take to answer.
CONNECT = 5
#: Deaths of workers that a micrograph among others may be near to before it is tried alone.
DEATHS = 2
#: Seconds that busy workers of this machine get to end before they are killed.
GRACE = 1.0
#: Above all levels of logging.
_MUTE = logging.CRITICAL + 1
_LOCALHOST = "127.0.0.1"
_MISSING = "--workers and --cluster need dask: pip install 'napari-topaz[cluster]'."


@contextmanager
def remote_client(address: str) -> Iterator[Client]:
    """Connect to a running scheduler.

    Parameters
    ----------
    address : str
        ``host:port``, with or without a protocol, or the path of a scheduler file.

    Raises
    ------
    JobError
        Where dask is not installed or the scheduler does not answer.
    """
    client_class = _dask().Client
    if address.endswith(".json") and not Path(address).is_file():
        raise JobError(f"There is no scheduler file {address}; is 'dask scheduler' running?")
    where = {"scheduler_file": address} if address.endswith(".json") else {"address": address}
    with _silence():
        try:
            client = client_class(**where, timeout=CONNECT, set_as_default=False)
        except (OSError, ValueError, RuntimeError) as error:
            raise JobError(
                f"No dask scheduler answers at {address}; start one with 'dask scheduler', or check "
                f"the address."
            ) from error
        with client:
            yield client


@contextmanager
def local_client(workers: int, device: str | None = None) -> Iterator[Client]:
    """Start processes on this machine; one that dies is replaced, and all end with the context.

    Parameters
    ----------
    workers : int
        How many; they share the cores, and for `device` auto or cuda the GPUs.
    device : str, optional
        Which the work will use.

    Raises
    ------
    JobError
        Where dask is not installed or the processes cannot be started.
    """
    distributed = _dask()
    with ExitStack() as stack:
        stack.enter_context(_silence())
        folder = stack.enter_context(TemporaryDirectory(prefix="napari-topaz-", ignore_cleanup_errors=True))
        stack.enter_context(_configured(workers))
        try:
            with _no_interrupts():
                cluster = distributed.SpecCluster(**_specification(workers, device, folder))
        except (OSError, RuntimeError) as error:
            raise JobError(f"The {workers} workers could not be started: {error}") from error
        stack.callback(cluster.close)
        stack.callback(_end_workers, cluster)
        yield stack.enter_context(distributed.Client(cluster, set_as_default=False))


def _dask() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise JobError(_MISSING) from error
    return distributed


def _specification(workers: int, device: str | None, folder: str) -> dict[str, Any]:
    """Return what :class:`distributed.SpecCluster` takes: all listens on this machine only."""
    from distributed import Nanny, Scheduler

    here = {
        "host": _LOCALHOST,
        "protocol": "tcp://",
        "dashboard": False,
        "dashboard_address": f"{_LOCALHOST}:0",
    }
    scheduler = {**here, "port": 0, "allowed_failures": DEATHS - 1}
    worker = {**here, "nthreads": 1, "local_directory": folder, "memory_limit": 0, "silence_logs": _MUTE}
    gpus = shared_out(workers, device)
    nannies = {
        index: {"cls": Nanny, "options": worker | {"env": {"CUDA_VISIBLE_DEVICES": gpu} if gpu else {}}}
        for index, gpu in enumerate(gpus)
    }
    return {
        "scheduler": {"cls": Scheduler, "options": scheduler},
        "workers": nannies,
        "silence_logs": False,
    }


def shared_out(workers: int, device: str | None) -> list[str]:
    """Return for each worker the GPU that it sees, in turn; empty where all see the same.

    Parameters
    ----------
    workers : int
    device : str or None
        Of the job. One that names a GPU (``cuda:1``), or none, is left to it.
    """
    if device not in ("auto", "cuda"):
        return [""] * workers
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        from torch.cuda import device_count

        gpus = [str(index) for index in range(device_count())]
    else:
        gpus = [name.strip() for name in given.split(",") if name.strip()]
    return [gpus[index % len(gpus)] if len(gpus) > 1 else "" for index in range(workers)]


@contextmanager
def _configured(workers: int) -> Iterator[None]:
    """Give each worker its part of the cores; a user's own OMP_NUM_THREADS counts more."""
    import dask
    from dask.system import CPU_COUNT

    threads = max(1, CPU_COUNT // workers)
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    wanted = dict.fromkeys(names, threads) | {
        "MALLOC_TRIM_THRESHOLD_": 65536,  # memory goes back to the system, as dask has it
        "DASK_LOGGING__DISTRIBUTED": "critical",
        "PYTHONHASHSEED": "0",
    }
    before = {name: os.environ.get(name) for name in wanted}
    try:
        with dask.config.set({"distributed.nanny.pre-spawn-environ": wanted}):
            yield
    finally:  # dask writes them into this process's environment
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Keep Ctrl-C, which a terminal sends to all, from the processes and threads that are started now.

    They inherit the mask, and so do the processes that they start later in place of dead ones.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    # Started with the first process, it would take SIGINT out of the mask of the thread that starts it.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_workers(cluster: Any) -> None:
    """End the workers soon, even busy ones: what they are at is given up."""

    async def end() -> None:
        await asyncio.gather(*(nanny.close(timeout=GRACE) for nanny in cluster.workers.values()))

    cluster.sync(end)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep dask's own log from stderr: what matters to the user is said by the job."""
    handlers = list(logging.getLogger("distributed").handlers)
    before = [handler.level for handler in handlers]
    for handler in handlers:
        handler.setLevel(_MUTE)
    try:
        yield
    finally:
        for handler, level in zip(handlers, before, strict=True):
            handler.setLevel(level)
