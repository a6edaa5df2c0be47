"""One computation over many devices: the only file that says device, mesh, pmap or psum.

Everywhere else functions are written for some rows of a batch and return sums over them. An engine runs them on every device's
share of the rows, adds the sums, and so gives the results of one device with the whole batch, however uneven the shares are.
"""

import contextlib
import importlib.util
import os
import resource
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from musicdiff.errors import UsageError

AXIS = "batch"
LAUNCHERS = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")  # how srun and mpirun tell a process the size of its job

process_index = jax.process_index
process_count = jax.process_count


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


def batched(fn: Callable, *, engine: str = "pmap", devices: Sequence[jax.Device] | None = None) -> Callable:
    """fn(*shared, rows) -> results, with the leading axis [B] of rows and results divided over this process's devices.

    Args:
      fn: pure; `rows` is a pytree of arrays [B, ...], the results one too, and a result's row depends on its own row alone
      engine: as in `engine`
      devices: default: all devices of this process, so that one process may sample while the others wait

    Returns:
      a function of the same arguments, for any B: the last rows are repeated until the devices share them evenly, and what
      they give is cut off. Its results are numpy arrays. Keep it: it holds the compiled program. `place` what is shared
      beforehand where it is used more than once, and always in a job of several processes.
    """
    _check_engine(engine)
    devices = jax.local_devices() if devices is None else devices
    whole, split = _shardings(devices)

    def apply(shared, rows):
        return fn(*shared, rows)

    if engine == "pmap":
        apply = jax.pmap(apply, AXIS, in_axes=(None, 0), out_axes=0, devices=devices)
    else:
        apply = jax.jit(apply, in_shardings=(whole, split), out_shardings=split)

    def call(*args):
        *shared, rows = args
        count = len(jax.tree.leaves(rows)[0])
        padding = -count % len(devices)
        rows = jax.tree.map(lambda x: np.concatenate([x, np.repeat(x[-1:], padding, axis=0)]) if padding else x, rows)
        results = jax.device_get(apply(tuple(shared), _shard(engine, rows, devices)))
        if engine == "pmap":
            results = jax.tree.map(np.concatenate, results)  # [devices, B / devices, ...] -> [B, ...]
        return jax.tree.map(lambda x: x[:count], results)

    return call


def place(tree: Any, devices: Sequence[jax.Device] | None = None) -> Any:
    """A copy of a tree of arrays on every device (default: all of the job).

    Placed over the very mesh that engines run on, or their second step would compile again; and copied, so that a donated state
    shares no memory with anything else, nor two of its leaves with each other.
    """
    whole, _ = _shardings(jax.devices() if devices is None else devices)
    return jax.tree.map(lambda x: jax.device_put(np.array(x), whole), tree)


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
        with contextlib.suppress(ValueError):  # JAX found no coordinator: this host belongs to no pod
            jax.distributed.initialize()


def is_main() -> bool:
    """Whether this is the process that writes files."""
    return jax.process_index() == 0


def device_description() -> str:
    """What the job runs on: '2 x NVIDIA H100 80GB HBM3', 'CPU (2 cores)'."""
    device, count = jax.devices()[0], jax.device_count()
    kind = f"CPU ({os.cpu_count()} cores)" if device.platform == "cpu" else device.device_kind
    return kind if count == 1 else f"{count} x {kind}"


def device_memory() -> int | None:
    """Bytes that a program may use on each device: the accelerator's limit, or the machine's memory; None when unknown."""
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // jax.local_device_count()
    return (device.memory_stats() or {}).get("bytes_limit")


def peak_memory() -> int | None:
    """Bytes in use on the fullest device of this process at the worst moment so far; on CPU the whole process's."""
    if jax.local_devices()[0].platform == "cpu":
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return max((device.memory_stats() or {}).get("peak_bytes_in_use", 0) for device in jax.local_devices()) or None


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
