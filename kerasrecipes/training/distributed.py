"""Training on several devices: `keras.distribution` on JAX divides the items of each batch, on one host or on several.

Every device has all weights and equally many items of a batch. The step is compiled as one program over the whole batch, so
sums over items, for instance in masked batch normalization, are sums over all devices.
"""

import os
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kerasrecipes.data.keras_adapter import pad_batch
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.utils.files import first_line

# variables in which launchers say how many processes there are
LAUNCHER_ENV = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")
TPU_HOSTS = "TPU_WORKER_HOSTNAMES"
JAX = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
KERAS = ("KERAS_DISTRIBUTION_JOB_ADDRESSES", "KERAS_DISTRIBUTION_NUM_PROCESSES", "KERAS_DISTRIBUTION_PROCESS_ID")


class UnevenDataParallel(keras.distribution.DataParallel):
    """Data parallelism in which `replicate` gives every device all items, for a batch that cannot be divided."""

    replicate = False

    def get_data_layout(self, data_shape: Any) -> Any:
        if not self.replicate:
            return super().get_data_layout(data_shape)
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


@dataclass
class DeviceGroup:
    """The devices of a run.

    Args:
        count: Devices in all processes. Default 1.
        processes: Number of processes. Default 1.
        process: Number of this process, from 0.
        distribution: How batches are divided, or None for one device.
    """

    count: int = 1
    processes: int = 1
    process: int = 0
    distribution: UnevenDataParallel | None = None
    used_shapes: set[tuple] = field(default_factory=set, repr=False)

    @property
    def is_main(self) -> bool:
        """True for the main process, which writes files and makes decisions for all."""
        return self.process == 0

    def check_divisible(self, task: Any) -> None:
        """Check that batches can be divided among the devices."""
        counts = [task.batch_size(i) for i in range(len(task.dataset))]
        if task.fixed_size_setting and counts[0] % self.count:
            multiple = max(round(counts[0] / self.count), 1) * self.count
            raise DataError(
                f"A batch of {counts[0]} items cannot be divided among {self.count} devices: set {task.fixed_size_setting} in "
                f"the configuration so that a batch holds a multiple of {self.count}, {multiple} for instance, or pass another "
                "--devices"
            )
        if not task.fixed_size_setting and np.mean(counts) < self.count:
            raise DataError(
                f"Batches hold {np.mean(counts):.1f} items on average, fewer than there are devices ({self.count}), so most "
                "devices would be idle. Make batches larger (batch_seconds, batch_tokens) or pass a smaller number of --devices"
            )

    def batch(self, task: Any, index: int) -> tuple[Any, Any, bool]:
        """Return this process's items of a batch, and whether every device gets the whole batch.

        JAX compiles a program for every shape. There, times and numbers of items are rounded up to four sizes per octave:
        items are padded with zeros, and the batch with items of length 0 without labels, which contribute to no loss, no
        gradient and no statistics.
        """
        if keras.config.backend() != "jax":
            return *task.dataset[index], True
        count = task.batch_size(index)
        if task.fixed_size_setting:
            replicate = count % self.count > 0  # the last batch of an epoch
            share = count if replicate else count // self.processes
            rows = share
        else:
            replicate, total = False, -(-round_up_to_bucket(count) // self.count) * self.count
            rows = share = total // self.processes
        begin = 0 if replicate else self.process * share
        inputs, labels = partial_batch(task.dataset, index, range(min(begin, count), min(begin + share, count)))
        sizes = task.padded_sizes(inputs, labels)
        if isinstance(inputs, dict):
            inputs = {name: pad_batch(x, rows, sizes.get(name)) for name, x in inputs.items()}
        return inputs, pad_batch(labels, rows, sizes.get("labels"), task.pad_label), replicate

    def compiles_for(self, inputs: Any, labels: Any) -> bool:
        """Return whether the backend compiles the training step anew for a batch of `batch`: JAX does for each new shape."""
        shapes = tuple(map(np.shape, keras.tree.flatten((inputs, labels))))
        is_new = keras.config.backend() == "jax" and shapes not in self.used_shapes
        self.used_shapes.add(shapes)
        return is_new

    def train(self, model: keras.Model, inputs: Any, labels: Any, replicate: bool) -> dict[str, Any]:
        """Take one optimizer step of the model on a batch of `batch`."""
        if self.distribution:
            self.distribution.replicate = replicate
        return model.train_on_batch(inputs, labels, return_dict=True)

    # ------------------------------------------------------------------ several processes

    def all_sum(self, amount: float, replicate: bool = False) -> float:
        """Return the sum of an amount over the processes, or the amount itself if all have the same batch."""
        if self.processes == 1 or replicate:
            return amount
        from jax.experimental import multihost_utils

        # as two integers, because JAX would round a float64 to float32
        parts = multihost_utils.process_allgather(np.array(np.float64(amount)).reshape(1).view("uint32"))
        return float(np.ascontiguousarray(parts).view("float64").sum())

    def broadcast_flags(self, *flags: bool) -> list[bool]:
        """Return the main process's flags, because the hosts' clocks differ."""
        if self.processes == 1:
            return list(flags)
        from jax.experimental import multihost_utils

        return [bool(f) for f in multihost_utils.broadcast_one_to_all(np.array(flags))]

    def assert_equal(self, number: int, message: str) -> None:
        """Raise `message` if a number differs between processes."""
        if self.processes > 1:
            from jax.experimental import multihost_utils

            if len(set(np.asarray(multihost_utils.process_allgather(np.array(number))).ravel().tolist())) > 1:
                raise KerasRecipesError(message)

    def hardware(self) -> str | None:
        """Return the number and kind of the devices as text, or None for a single device."""
        if not self.distribution:
            return None
        import jax

        hosts = f" in {self.processes} processes" if self.processes > 1 else ""
        return f"{self.count} x {jax.devices()[0].device_kind}{hosts}"


def setup_devices(devices: str | int) -> DeviceGroup:
    """Find the devices, join the other hosts' processes if the environment names them, and divide all following batches.

    `devices` is a number or "all".
    """
    if str(devices) != "all" and not (str(devices).isdigit() and int(devices) > 0):
        raise DataError(f"--devices must be a number or 'all', not {devices!r}")
    if keras.config.backend() != "jax":
        raise DataError(
            f"Training on several devices needs Keras on JAX, but the backend is {keras.config.backend()}: "
            'pip install "kerasrecipes[jax]" and set KERAS_BACKEND=jax'
        )
    import jax

    init_distributed()
    names = keras.distribution.list_devices()
    count = len(names) if str(devices) == "all" else int(devices)
    processes = jax.process_count()
    if count > len(names):
        raise DataError(
            f"--devices is {count}, but there are {len(names)} ({', '.join(names[:4])}{', ...' if len(names) > 4 else ''}): "
            "pass --devices all. To try things out, XLA_FLAGS=--xla_force_host_platform_device_count=N splits a CPU into N devices"
        )
    if processes > 1 and count != len(names):
        raise DataError(
            f"{processes} processes have {len(names)} devices, and all of them must take part: pass --devices all, or start "
            "fewer processes"
        )
    if processes > 1 and len(names) % processes:
        raise DataError(
            f"{len(names)} devices cannot be divided evenly among {processes} processes: give each the same number"
        )
    distribution = UnevenDataParallel(devices=names[:count], auto_shard_dataset=False) if count > 1 else None
    keras.distribution.set_distribution(distribution)
    return DeviceGroup(count, processes, jax.process_index(), distribution)


def init_distributed() -> None:
    """Join the other processes of a run, if the environment names any."""
    import jax

    env = os.environ
    if jax.distributed.is_initialized():
        return
    values: tuple[Any, ...] = ()
    for names in (KERAS, JAX):
        if names[0] in env:
            missing = [name for name in names if not env.get(name)]
            if missing:
                raise KerasRecipesError(f"{names[0]} is set, so {' and '.join(missing)} must be set too")
            values = (env[names[0]].split(",")[0], int(env[names[1]]), int(env[names[2]]))
            break
    by_launcher = any(int(env.get(name) or 1) > 1 for name in LAUNCHER_ENV) or "," in env.get(TPU_HOSTS, "")
    if not values and not by_launcher:
        return
    try:
        jax.distributed.initialize(*values)
    except (RuntimeError, ValueError) as error:
        address = f" at {values[0]}" if values else ""
        raise KerasRecipesError(
            f"The other processes of the training cannot be reached{address}: {first_line(error)}"
        ) from error


def partial_batch(dataset: Any, index: int, positions: range) -> tuple[Any, Any]:
    """Return some items of a batch."""
    if hasattr(dataset, "partial_batch"):
        return dataset.partial_batch(index, positions)
    inputs, labels = dataset[index]
    part = slice(positions.start, positions.stop)
    return ({k: v[part] for k, v in inputs.items()} if isinstance(inputs, dict) else inputs[part]), labels[part]


def round_up_to_bucket(size: int, parts: int = 4) -> int:
    """Round a size up to one of `parts` sizes per octave."""
    step = max((1 << max(size - 1, 0).bit_length()) // (2 * parts), 1)
    return -(-size // step) * step
