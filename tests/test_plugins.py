import pytest

from musicdiff import plugins
from musicdiff.errors import UsageError


def test_a_plugin_is_a_file():
    assert plugins.load("samplers", "ddim").__name__ == "musicdiff.samplers.ddim"
    assert plugins.load("data.sources", "folder").__name__ == "musicdiff.data.sources.folder"


def test_names_are_the_files_of_a_folder():
    assert plugins.names("models") == ["latent", "mel", "vae", "waveform"]
    assert plugins.names("samplers") == sorted(plugins.names("samplers")) and "heun" in plugins.names("samplers")


@pytest.mark.parametrize("name", ["ddpn", "", "__init__", "../models/mel", "DDIM", "mel.py"])
def test_an_unknown_name_lists_what_exists(name):
    with pytest.raises(UsageError, match=r"^no .* in musicdiff/models; there are: latent, mel, vae, waveform$"):
        plugins.load("models", name)


def test_a_nested_folder_is_named_by_its_path():
    with pytest.raises(UsageError, match="no 'cd' in musicdiff/data/sources; there are: builtin, drums, folder, tfds"):
        plugins.load("data.sources", "cd")
