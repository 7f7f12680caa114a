"""Training on many devices: the items of each batch divided by `keras.distribution` on JAX, on one host or on several.

Every device has all weights and as many items of a batch as any other. The step is compiled as one program over the whole
batch, so that sums over items, those of masked batch normalisation among them, are sums over all devices.
"""

import os
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasrecipes.errors import DataError, KerasRecipesError

# what starters of processes set, and how many it says there are, where that is known from it
LAUNCHER_ENV = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")
TPU_HOSTS = "TPU_WORKER_HOSTNAMES"
JAX = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
KERAS = ("KERAS_DISTRIBUTION_JOB_ADDRESSES", "KERAS_DISTRIBUTION_NUM_PROCESSES", "KERAS_DISTRIBUTION_PROCESS_ID")


class UnevenDataParallel(keras.distribution.DataParallel):
    """Data parallel; `whole` gives every device all items, of a batch that can't be divided."""

    whole = False

    def get_data_layout(self, data_shape: Any) -> Any:
        if not self.whole:
            return super().get_data_layout(data_shape)
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


@dataclass
class DeviceGroup:
    """The devices of a run: how many in all, and which of the processes that drive them this is.

    Args:
        count: devices in all processes. processes: how many. process: this one's number, counted from 0.
        shares: how batches are divided, None for one device.
    """

    count: int = 1
    processes: int = 1
    process: int = 0
    shares: UnevenDataParallel | None = None

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and has the say."""
        return self.process == 0

    def check(self, kind: Any) -> None:
        """
        Raises:
            DataError: batches of a fixed number of items cannot be divided, or batches hold fewer items than there are devices.
        """
        counts = [kind.items(i) for i in range(len(kind.dataset))]
        if kind.fixed and counts[0] % self.count:
            fitting = max(round(counts[0] / self.count), 1) * self.count
            raise DataError(
                f"A batch of {counts[0]} items cannot be divided among {self.count} devices: set {kind.fixed} in the "
                f"configuration so that it holds a multiple of {self.count}, {fitting} for instance, or pass another --devices"
            )
        if not kind.fixed and np.mean(counts) < self.count:
            raise DataError(
                f"Batches hold {np.mean(counts):.1f} items on average, fewer than there are devices ({self.count}): most would "
                "have nothing to do. Make batches larger (batch_seconds, batch_symbols) or pass a smaller number of --devices"
            )

    def batch(self, kind: Any, index: int) -> tuple[Any, Any, bool]:
        """This process's items of a batch, and whether they are the whole batch, which then is not divided.

        On JAX, which compiles a program for every shape, times and numbers of items are rounded up, to four sizes per
        octave: with zeros behind each item, and with items of no length and no labels, which count in no loss, no gradient
        and no statistics.
        """
        if keras.config.backend() != "jax":
            return *kind.dataset[index], True
        count = kind.items(index)
        if kind.fixed:
            whole = count % self.count > 0  # the last batch of a pass
            share = count if whole else count // self.processes
            rows = share
        else:
            whole, total = False, -(-round_up_to_bucket(count) // self.count) * self.count
            rows = share = total // self.processes
        begin = 0 if whole else self.process * share
        inputs, labels = partial_batch(kind.dataset, index, range(min(begin, count), min(begin + share, count)))
        widths = kind.widths(inputs, labels)
        if isinstance(inputs, dict):
            inputs = {name: pad_batch(x, rows, widths.get(name)) for name, x in inputs.items()}
        return inputs, pad_batch(labels, rows, widths.get("labels"), kind.nothing), whole

    def train(self, model: keras.Model, inputs: Any, labels: Any, whole: bool) -> dict[str, Any]:
        """One optimiser step of the model on a batch of `batch`."""
        if self.shares:
            self.shares.whole = whole
        return model.train_on_batch(inputs, labels, return_dict=True)

    # ------------------------------------------------------------------ several processes

    def total(self, amount: float, whole: bool = False) -> float:
        """The sum of an amount over the processes."""
        if self.processes == 1 or whole:
            return amount
        from jax.experimental import multihost_utils

        # in parts, since JAX would round a float64 to float32
        parts = multihost_utils.process_allgather(np.array(np.float64(amount)).reshape(1).view("uint32"))
        return float(np.ascontiguousarray(parts).view("float64").sum())

    def broadcast_flags(self, *flags: bool) -> list[bool]:
        """What the first process says, for the clocks of hosts differ."""
        if self.processes == 1:
            return list(flags)
        from jax.experimental import multihost_utils

        return [bool(f) for f in multihost_utils.broadcast_one_to_all(np.array(flags))]

    def same(self, number: int, message: str) -> None:
        """
        Raises:
            KerasRecipesError: a number is not the same in all processes; says `message`.
        """
        if self.processes > 1:
            from jax.experimental import multihost_utils

            if len(set(np.asarray(multihost_utils.process_allgather(np.array(number))).ravel().tolist())) > 1:
                raise KerasRecipesError(message)

    def hardware(self) -> str | None:
        """In words, None for a single device."""
        if not self.shares:
            return None
        import jax

        hosts = f" in {self.processes} processes" if self.processes > 1 else ""
        return f"{self.count} x {jax.devices()[0].device_kind}{hosts}"


def setup_devices(asked: str | int) -> DeviceGroup:
    """Find the devices, connect to other hosts' processes where the environment names them, and divide all batches from now on.

    Args:
        asked: how many, or "all".

    Raises:
        DataError: no number, more than there are, or another backend than JAX.
        KerasRecipesError: the other processes cannot be reached.
    """
    if str(asked) != "all" and not (str(asked).isdigit() and int(asked) > 0):
        raise DataError(f"--devices is a number or 'all', not {asked!r}")
    if keras.config.backend() != "jax":
        raise DataError(
            f"Training on several devices needs Keras on JAX, and here it runs on {keras.config.backend()}: "
            'pip install "kerasrecipes[jax]" and set KERAS_BACKEND=jax'
        )
    import jax

    init_distributed()
    names = keras.distribution.list_devices()
    count = len(names) if str(asked) == "all" else int(asked)
    processes = jax.process_count()
    if count > len(names):
        raise DataError(
            f"{count} devices were asked for, and there are {len(names)} ({', '.join(names[:4])}{', ...' if len(names) > 4 else ''}): "
            "pass --devices all. A CPU passes for N with XLA_FLAGS=--xla_force_host_platform_device_count=N, to try things out"
        )
    if processes > 1 and count != len(names):
        raise DataError(
            f"{processes} processes have {len(names)} devices, and all of them take part: pass --devices all, or start fewer"
        )
    if processes > 1 and len(names) % processes:
        raise DataError(f"{len(names)} devices are not divided evenly among {processes} processes: give each as many")
    shares = UnevenDataParallel(devices=names[:count], auto_shard_dataset=False) if count > 1 else None
    keras.distribution.set_distribution(shares)
    return DeviceGroup(count, processes, jax.process_index(), shares)


def init_distributed() -> None:
    """Join the other processes of a training, where the environment says that there are some.

    Raises:
        KerasRecipesError: it says so by halves, or they cannot be reached.
    """
    import jax

    env = os.environ
    if jax.distributed.is_initialized():
        return
    values: tuple[Any, ...] = ()
    for names in (KERAS, JAX):
        if names[0] in env:
            missing = [name for name in names if not env.get(name)]
            if missing:
                raise KerasRecipesError(f"{names[0]} is set, so {' and '.join(missing)} must be too")
            values = (env[names[0]].split(",")[0], int(env[names[1]]), int(env[names[2]]))
            break
    many = any(int(env.get(name) or 1) > 1 for name in LAUNCHER_ENV) or "," in env.get(TPU_HOSTS, "")
    if not values and not many:
        return
    try:
        jax.distributed.initialize(*values)
    except (RuntimeError, ValueError) as error:
        where = f" at {values[0]}" if values else ""
        raise KerasRecipesError(
            f"The training's other processes cannot be reached{where}: {str(error).splitlines()[0]}"
        ) from error


def partial_batch(dataset: Any, index: int, places: range) -> tuple[Any, Any]:
    """Some items of a batch."""
    if hasattr(dataset, "some"):
        return dataset.some(index, places)
    inputs, labels = dataset[index]
    part = slice(places.start, places.stop)
    return ({k: v[part] for k, v in inputs.items()} if isinstance(inputs, dict) else inputs[part]), labels[part]


def round_up_to_bucket(size: int, parts: int = 4) -> int:
    """The next larger one of so many sizes per octave."""
    step = max((1 << max(size - 1, 0).bit_length()) // (2 * parts), 1)
    return -(-size // step) * step


def pad_batch(x: np.ndarray, rows: int, width: int | None = None, value: float = 0) -> np.ndarray:
    """`x` (items, width, ...) with more items, and a greater width, of `value`."""
    sizes = [(0, rows - len(x))] + [(0, 0)] * (x.ndim - 1)
    if width is not None and x.ndim > 1:
        sizes[1] = (0, width - x.shape[1])
    return np.pad(x, sizes, constant_values=value)
