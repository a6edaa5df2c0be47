"""The cache on disk: a tfds data set of array_record files, and an index, written last, that says it is whole.

    <home>/<attempt>/dataset_info.json features.json tracks-{train,test}.array_record-*   the data set; tfds.builder_from_directory reads it
    <home>/<attempt>/report.json                                                          what was skipped and why, hours, licences
    <home>/<attempt>/index.json                                                           lengths and labels of all tracks; the mark of completion

A track is a run of records, blocks of its frames, because a record is read, checked and decompressed whole: a clip costs the blocks it touches,
however long its track is. The frames of audio are its samples.

Each builder writes an attempt of its own, so builders that run at once cannot mix their files, and nothing is ever renamed. The writer is
tfds's SequentialWriter, which streams: a GeneratorBasedBuilder keeps an order only by sorting a whole split in memory, and above 1 GB it needs
TensorFlow. Neither writing nor reading imports TensorFlow here.
"""

import contextlib
import json
import os
import secrets
import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from etils import epath

SPLITS = ("train", "test")
LABELS = ("name", "caption", "style", "key", "licence", "tempo")
RECORDS_A_SHARD = 8192  # 1 GB at 128 bins
RECORDS_A_WRITE = 256  # the writer rewrites its metadata at each call: 5 ms

Example = Mapping[str, Any]


class Feature(NamedTuple):
    """How records hold an array [T, ...].

    block: frames of a record
    unit: what a stored 1 is in batches, a power of two, so that nothing is rounded there
    """

    dtype: type[np.generic]
    block: int
    unit: float = 1.0


FEATURES = {
    "mel": Feature(np.float16, 512),  # half precision resolves 0.02 dB of a mel's 80
    "latent": Feature(np.float32, 512),  # whose range is not known
    "audio": Feature(np.int16, 16384, 2.0**-15),
}


def find(home: epath.Path) -> tuple[epath.Path, dict[str, Any]] | None:
    """The directory and the index of a whole data set under `home`; None when there is none."""
    for path in sorted(home.iterdir()) if home.exists() else ():
        if index := _index(path):
            return path, index
    return None


@contextlib.contextmanager
def attempt(home: epath.Path) -> Iterator[epath.Path]:
    """A new directory under `home` for one builder, removed when the builder fails; what dead builders of this machine left goes first."""
    host = socket.gethostname()
    for path in home.iterdir() if home.exists() else ():
        owner, _, rest = path.name.partition("~")
        if owner == host and not _alive(int(rest.split("~")[0])) and not _index(path):
            path.rmtree(missing_ok=True)
    path = home / f"{host}~{os.getpid()}~{secrets.token_hex(4)}"
    path.mkdir(parents=True)
    try:
        yield path
    except BaseException:
        path.rmtree(missing_ok=True)
        raise


def write(
    path: epath.Path, feature: str, shape: tuple[int, ...], examples: Iterable[tuple[str, Example]]
) -> dict[str, dict[str, list]]:
    """Writes (split, whole track) pairs as they come.

    Args:
        path: an empty directory
        feature: of FEATURES, the field that holds the track's array [T, *shape]; the other fields are LABELS, samples and bar_times

    Returns:
        for each split, the columns of the index: LABELS, frames and samples, one entry a track
    """
    import tensorflow_datasets as tfds

    dtype, size, _ = FEATURES[feature]
    fields = {label: tfds.features.Text() for label in LABELS if label != "tempo"}
    fields["tempo"] = tfds.features.Scalar(np.float32)
    fields["samples"] = tfds.features.Scalar(np.int64)
    fields["bar_times"] = tfds.features.Tensor(shape=(None,), dtype=np.float32)
    fields["block"] = tfds.features.Scalar(np.int64)
    fields[feature] = tfds.features.Tensor(shape=(None, *shape), dtype=dtype, encoding="bytes")
    identity = tfds.core.dataset_info.DatasetIdentity(
        name="tracks", version="1.0.0", data_dir=os.fspath(path), module_name=""
    )
    info = tfds.core.DatasetInfo(builder=identity, features=tfds.features.FeaturesDict(fields))
    writer = tfds.core.SequentialWriter(info, RECORDS_A_SHARD, file_format="array_record")
    writer.initialize_splits(list(SPLITS))

    columns = {split: {column: [] for column in (*LABELS, "frames", "samples")} for split in SPLITS}
    waiting: dict[str, list[Example]] = {split: [] for split in SPLITS}
    for split, example in examples:
        array = np.asarray(example[feature], dtype)
        entry = {**example, "frames": len(array), "samples": int(example["samples"]), "tempo": float(example["tempo"])}
        for column, values in columns[split].items():
            values.append(plain(entry[column]))
        for block, first in enumerate(range(0, len(array), size)):
            waiting[split].append({**example, "block": block, feature: array[first : first + size]})
        if len(waiting[split]) >= RECORDS_A_WRITE:
            writer.add_examples({split: waiting[split]})
            waiting[split] = []
    writer.add_examples(waiting)
    writer.close_all()
    return columns


def plain(value: Any) -> Any:
    """A value as an index holds it: JSON has no NaN."""
    return None if value != value else value


class Records:
    """The records of one split, read when asked for, from any number of threads.

    dtype, unit: of the arrays, as in FEATURES
    block: frames of a record
    """

    def __init__(self, path: epath.Path, split: str, feature: str, block: int, frames: np.ndarray):
        """frames: the length of each track"""
        import tensorflow_datasets as tfds

        builder = tfds.builder_from_directory(os.fspath(path))
        self._feature, self._features = feature, builder.info.features
        self._array = tfds.features.FeaturesDict({feature: self._features[feature]})
        self._source = builder.as_data_source(split, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES)
        self._frames, self._ends, self.block = frames, np.cumsum(-(-frames // block)), block
        self.dtype, self.unit = self._features[feature].np_dtype, np.float32(FEATURES[feature].unit)

    def serialized(self, track: int, start: int, stop: int) -> list[bytes]:
        """The records that hold frames start..stop of a track, as far as it goes: tf.train.Examples. `start` is their frame start % block."""
        end = self._ends[track]
        first = end - -(-self._frames[track] // self.block)
        chosen = range(first + start // self.block, min(first - (-stop // self.block), end))
        return [self._source[int(record)] for record in chosen]

    def array(self, track: int, start: int, stop: int) -> np.ndarray:
        """Frames start..stop of a track, as far as it goes: [at most stop - start, ...]."""
        blocks = [
            self._array.deserialize_example_np(record)[self._feature] for record in self.serialized(track, start, stop)
        ]
        return np.concatenate(blocks)[start % self.block :][: stop - start]

    def example(self, track: int) -> dict[str, Any]:
        """All fields of a whole track, strings as str."""
        fields = self._features.deserialize_example_np(self.serialized(track, 0, 1)[0])
        del fields["block"]
        fields[self._feature] = self.array(track, 0, int(self._frames[track]))
        return {name: value.decode() if isinstance(value, bytes) else value for name, value in fields.items()}


def _index(path: epath.Path) -> dict[str, Any] | None:
    # An index that was cut off while being written is no JSON, and so no mark of completion.
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return json.loads((path / "index.json").read_text())
    return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
