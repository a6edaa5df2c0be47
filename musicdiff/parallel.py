"""One computation over many devices: the only file that says device, mesh, pmap or psum.

Everywhere else functions are written for some rows of a batch and return sums over them. An engine runs them on every device's
share of the rows, adds the sums, and so gives the results of one device with the whole batch, however uneven the shares are.
"""

import contextlib
import importlib.util
import math
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from musicdiff.errors import MusicdiffError, UsageError

AXIS = "batch"
LAUNCHERS = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")  # how srun and mpirun tell a process the size of its job

process_index = jax.process_index
process_count = jax.process_count
device_count = jax.device_count
local_device_count = jax.local_device_count


class Engine(NamedTuple):
    """A training step over devices, compiled once for each shape of batch.

    place(tree) -> a copy of a tree of arrays on every device: what `step` takes as its state and frozen
    shard(batch) -> this process's rows of the batch (numpy, [B / processes, ...]) as `step` takes them. Raises UsageError
        when they cannot be divided evenly
    step(state, frozen, batch) -> (state, metrics); the state that goes in is donated: it must not be used again
    """

    place: Callable[[Any], Any]
    shard: Callable[[Any], Any]
    step: Callable[..., tuple[Any, Any]]


def engine(name: str, grad_fn: Callable, update_fn: Callable, *, devices: Sequence[jax.Device] | None = None) -> Engine:
    """(sum over devices of sums) / (sum over devices of counts): exact for uneven counts, where a mean of means is not.

    Args:
      name: 'pmap': every device runs grad_fn on its own rows, and the sums are added by a collective; 'jit': one program over
        the whole batch, which the compiler divides
      grad_fn: (state, frozen, batch) -> (sums, count): a pytree of sums over the examples in batch (gradients, metrics), and
        the weight they are to be divided by
      update_fn: (state, sums, count) -> (state, metrics): divides, and updates
      devices: default: all devices of the job
    """
    _check_engine(name)
    devices = jax.devices() if devices is None else devices
    whole, split = _shardings(devices)

    def step(state, frozen, batch):
        sums, count = grad_fn(state, frozen, batch)
        if name == "pmap":
            # After grad_fn, never inside its differentiation: there a mean over devices leaves each with gradients of its own.
            sums, count = jax.lax.psum((sums, count), AXIS)
        return update_fn(state, sums, count)

    if name == "pmap":
        step = jax.pmap(step, AXIS, in_axes=(None, None, 0), out_axes=None, donate_argnums=0, devices=devices)
    else:
        step = jax.jit(step, in_shardings=(whole, whole, split), out_shardings=whole, donate_argnums=0)
    return Engine(lambda tree: place(tree, devices), lambda batch: _shard(name, batch, devices), step)


class Batched:
    """fn(*shared, rows) -> results, with the leading axis [B] of rows and results divided over this process's devices.

    It takes any B: the last rows are repeated until the devices share them evenly, and what they give is cut off. The results are
    numpy arrays. It holds its compiled programs: keep it. `place` what is shared beforehand where it is used more than once, and
    always in a job of several processes.
    """

    def __init__(self, fn: Callable, *, engine: str = "pmap", devices: Sequence[jax.Device] | None = None):
        """
        Args:
          fn: pure; `rows` is a pytree of arrays [B, ...], the results one too, and a result's row depends on its own row alone
          engine: as in `engine`
          devices: default: all devices of this process, so that one process may sample while the others wait
        """
        _check_engine(engine)
        self._engine = engine
        self._devices = jax.local_devices() if devices is None else devices
        whole, split = _shardings(self._devices)

        def apply(shared, rows):
            return fn(*shared, rows)

        if engine == "pmap":
            self._apply = jax.pmap(apply, AXIS, in_axes=(None, 0), out_axes=0, devices=self._devices)
        else:
            self._apply = jax.jit(apply, in_shardings=(whole, split), out_shardings=split)
        self._compiled: dict[Any, Callable] = {}

    def compile(self, *args: Any) -> float:
        """Compiles for the shapes of these arguments, where that is still to do; returns the seconds it took."""
        start = time.perf_counter()
        self._program(*self._divide(*args))
        return time.perf_counter() - start

    def __call__(self, *args: Any) -> Any:
        shared, rows = self._divide(*args)
        results = jax.device_get(self._program(shared, rows)(shared, rows))
        if self._engine == "pmap":
            results = jax.tree.map(np.concatenate, results)  # [devices, B / devices, ...] -> [B, ...]
        count = len(jax.tree.leaves(args[-1])[0])
        return jax.tree.map(lambda x: x[:count], results)

    def _divide(self, *args: Any) -> tuple[Any, Any]:
        *shared, rows = args
        padding = -len(jax.tree.leaves(rows)[0]) % len(self._devices)
        rows = jax.tree.map(lambda x: np.concatenate([x, np.repeat(x[-1:], padding, axis=0)]) if padding else x, rows)
        return tuple(shared), _shard(self._engine, rows, self._devices)

    def _program(self, shared: Any, rows: Any) -> Callable:
        leaves, structure = jax.tree.flatten((shared, rows))
        key = (structure, *((np.shape(leaf), jax.dtypes.result_type(leaf)) for leaf in leaves))
        if key not in self._compiled:
            self._compiled[key] = self._apply.lower(shared, rows).compile()
        return self._compiled[key]


def place(tree: Any, devices: Sequence[jax.Device] | None = None) -> Any:
    """A copy of a tree of arrays on every device (default: all of the job).

    Placed over the very mesh that engines run on, or their second step would compile again; and copied, so that a donated state
    shares no memory with anything else, nor two of its leaves with each other.
    """
    whole, _ = _shardings(jax.devices() if devices is None else devices)
    return jax.tree.map(lambda x: jax.device_put(np.array(x), whole), tree)


def local(tree: Any) -> Any:
    """A copy of a tree of arrays on every device of this process, from wherever it is: what `Batched` takes as shared."""
    return place(tree, jax.local_devices())


def rows_per_device(batch_size: int, devices: Sequence[jax.Device] | None = None) -> int:
    """How many rows of a batch each device (default: all of the job) gets. Raises UsageError when they cannot be equal."""
    count = jax.device_count() if devices is None else len(devices)
    if batch_size % count or not batch_size:
        raise UsageError(
            f"batch_size {batch_size} is not divisible by the {count} devices of this run: use a multiple of {count}"
        )
    return batch_size // count


def initialize(coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None) -> None:
    """Joins the other processes of a job, where there are any; to be called before anything else uses JAX.

    TPU pods, srun and mpirun are recognised by themselves. Elsewhere the arguments, or the environment's MUSICDIFF_COORDINATOR
    (host:port of process 0), MUSICDIFF_NUM_PROCESSES and MUSICDIFF_PROCESS_ID, say who takes part.
    """
    if jax.distributed.is_initialized():
        return
    if coordinator := coordinator or os.environ.get("MUSICDIFF_COORDINATOR"):
        try:
            num_processes = int(os.environ["MUSICDIFF_NUM_PROCESSES"] if num_processes is None else num_processes)
            process_id = int(os.environ["MUSICDIFF_PROCESS_ID"] if process_id is None else process_id)
        except (KeyError, ValueError) as error:
            raise UsageError(
                f"a coordinator needs MUSICDIFF_NUM_PROCESSES and MUSICDIFF_PROCESS_ID, as integers: {error}"
            ) from error
        jax.distributed.initialize(coordinator, num_processes, process_id)
    elif any(int(os.environ.get(size, 1)) > 1 for size in LAUNCHERS):
        jax.distributed.initialize()
    elif importlib.util.find_spec("libtpu"):
        # JAX finds no coordinator where this host belongs to no pod, and cannot join one any more in a notebook that has used it already.
        with contextlib.suppress(ValueError, RuntimeError):
            jax.distributed.initialize()


def is_main() -> bool:
    """Whether this is the process that writes files."""
    return jax.process_index() == 0


def rows(batch_size: int) -> tuple[int, int]:
    """The half-open range of a global batch's rows that this process loads."""
    share = batch_size // jax.process_count()
    return jax.process_index() * share, (jax.process_index() + 1) * share


def barrier(name: str) -> None:
    """Waits for all processes of the job."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def main_first(make: Callable[[], Any], name: str) -> Any:
    """make(), by the main process first and by the others, who find it made, after. Where it raises in the main process, all raise.

    name: what is made, for the message of the others
    """
    made, failed = None, is_main()
    try:
        if is_main():
            made, failed = make(), False
    finally:
        failed = from_main(failed)  # also waits until it is made
    if failed:
        raise MusicdiffError(f"{name}: the main process failed, its own message says at what")
    return made if is_main() else make()


def from_main(number: int) -> int:
    """The main process's number, in every process of the job; all of them must ask."""
    return number if jax.process_count() == 1 else int(multihost_utils.broadcast_one_to_all(np.int32(number)))


def gather(rows: np.ndarray) -> np.ndarray:
    """The rows of all processes [B, ...] from this process's [B / processes, ...]; all of them must ask."""
    return rows if jax.process_count() == 1 else multihost_utils.process_allgather(rows, tiled=True)


def any_process(flag: bool) -> bool:
    """Whether the flag is set in any process of the job; all of them must ask."""
    return flag if jax.process_count() == 1 else bool(np.any(multihost_utils.process_allgather(np.asarray(flag))))


def has_accelerator() -> bool:
    """Whether the devices are anything faster than the CPU."""
    return jax.devices()[0].platform != "cpu"


def in_order() -> bool:
    """Whether every step must be waited for: several devices made of one CPU deadlock when steps run ahead of each other."""
    return not has_accelerator() and jax.local_device_count() > 1


def keep_compilations() -> None:
    """Compiled programs outlive the process, in JAX_COMPILATION_CACHE_DIR or the user's cache directory."""
    if jax.config.jax_compilation_cache_dir is None:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        jax.config.update("jax_compilation_cache_dir", os.path.join(base, "musicdiff", "compilations"))


def device_description() -> str:
    """What the job runs on: '2 x NVIDIA H100 80GB HBM3', 'CPU (2 cores)'."""
    device, count = jax.devices()[0], jax.device_count()
    kind = f"CPU ({os.cpu_count()} cores)" if device.platform == "cpu" else device.device_kind
    return kind if count == 1 else f"{count} x {kind}"


def device_memory() -> int | None:
    """Bytes that a program may use on each device: the accelerator's limit, or the machine's or container's memory; None when unknown."""
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        memory = min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), _control_group_memory())
        return int(memory // jax.local_device_count())
    return (device.memory_stats() or {}).get("bytes_limit")


def peak_memory() -> int | None:
    """Bytes in use on the fullest device of this process at the worst moment so far; on CPU the whole process's."""
    if jax.local_devices()[0].platform == "cpu":
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return max((device.memory_stats() or {}).get("peak_bytes_in_use", 0) for device in jax.local_devices()) or None


def _control_group_memory(root: Path = Path("/")) -> float:
    """The least bytes that this process's control group, or one above it, allows (Linux's version 1 or 2); infinite without a limit."""
    limits = [math.inf]
    groups = root / "proc/self/cgroup"
    for line in groups.read_text().splitlines() if groups.exists() else []:
        _, controllers, group = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        folder, name = ("memory", "memory.limit_in_bytes") if controllers else (".", "memory.max")
        # Within a container the group itself may be out of sight, and its limit lies at the top.
        for part in (Path(group), *Path(group).parents):
            file = root / "sys/fs/cgroup" / folder / part.relative_to("/") / name
            if file.exists():
                limits.append(float(file.read_text().replace("max", "inf")))
    return min(limits)


def _check_engine(name: str) -> None:
    if name not in ("jit", "pmap"):
        raise UsageError(f"parallel.engine is {name!r}: use 'pmap' or 'jit'")


def _shardings(devices: Sequence[jax.Device]) -> tuple[NamedSharding, NamedSharding]:
    """Everything on every device; rows divided over devices."""
    mesh = Mesh(np.asarray(devices), (AXIS,))
    return NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(AXIS))


def _shard(engine: str, rows: Any, devices: Sequence[jax.Device]) -> Any:
    """This process's rows [B, ...] as the engine takes them: [devices, B / devices, ...] in numpy, or one array over all processes."""
    processes = len({device.process_index for device in devices})
    share = rows_per_device(len(jax.tree.leaves(rows)[0]) * processes, devices)
    if engine == "pmap":
        return jax.tree.map(lambda x: np.reshape(x, (-1, share, *np.shape(x)[1:])), rows)
    _, split = _shardings(devices)
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(split, np.asarray(x)), rows)
