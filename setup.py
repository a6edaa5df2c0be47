"""Packaging: the only home of metadata and dependencies."""

import pathlib

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent

setup(
    name="musicdiff-jax",
    version="0.1.0",
    description="Music generation with diffusion models in JAX and Flax",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[*find_packages(include=["musicdiff", "musicdiff.*"]), "musicdiff.configs"],
    package_dir={"musicdiff.configs": "configs"},
    package_data={"musicdiff": ["**/*.html"]},
    entry_points={"console_scripts": ["musicdiff = musicdiff.cli:main"]},
    install_requires=[
        "jax>=0.10",
        "flax>=0.12.5",
        "optax>=0.2.8",
        "orbax-checkpoint>=0.12",
        "tensorflow-datasets>=4.9.9",
        "array_record>=0.7",
        "importlib_resources>=6",  # tfds prepares its sets with it, and declares it for old Pythons only
        # tfds does not bring TensorFlow, and tf.data needs it; without the wheel (some platforms) the numpy loader serves.
        "tensorflow-cpu>=2.18; platform_machine == 'x86_64' and sys_platform != 'darwin'",
        "tensorflow>=2.18; platform_machine != 'x86_64' or sys_platform == 'darwin'",
        "librosa>=0.11",
        "ml-collections>=1.0",
        "numpy>=2.0",
        "scipy>=1.13",
        "ml_dtypes>=0.5",
        "soundfile>=0.12",
        "soxr>=0.5",
        "mutagen>=1.47",
        "matplotlib>=3.8",
        "safetensors>=0.4",
        "tokenizers>=0.20",
        "etils[epath]>=1.9",
        "tensorboardX>=2.6",
        "click>=8.1",
        "absl-py>=2.1",
        "tqdm>=4.66",
    ],
    extras_require={
        "test": ["pytest>=8", "pytest-timeout", "pytest-xdist>=3.6", "nbformat", "nbclient", "ipykernel", "ruff"],
        "parity": ["torch>=2.6", "diffusers>=0.32", "transformers>=4.48", "a-unet>=0.0.16"],
        "cuda": ["jax[cuda12]>=0.10"],
        "tpu": ["jax[tpu]>=0.10"],
    },
    classifiers=[
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Multimedia :: Sound/Audio :: Sound Synthesis",
    ],
)
