"""fadtk's statistics of FMA-Pop: mean and covariance by each embedding that it knows (arXiv 2311.01616), and no audio."""

import zipfile

from musicdiff.pretrained import Wheel

WHEEL = Wheel(
    package="fadtk",
    version="1.1.0",
    sha256="69002a10478a82bb7452521c0d8a4fbaefd6eb423f991edac5c26d9ad5628adc",
    size=82_735_055,
    licence="MIT",
    contents="statistics of FMA-Pop, a reference for scores by vggish, clap:audio-fadtk and clap:music-fadtk",
)


def convert(wheel: zipfile.ZipFile) -> dict[str, bytes]:
    """The published file as it is: NAME.mu and NAME.cov."""
    return {"fma_pop.npz": wheel.read("fadtk/stats/fma_pop.npz")}
