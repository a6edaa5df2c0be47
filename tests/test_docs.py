"""The pages are true: every example in python runs as it stands, every command line parses, every link and path leads somewhere."""

import pathlib
import re
import shlex
import shutil

import click
import numpy as np
import pytest

from musicdiff import config
from musicdiff.audio import io
from musicdiff.cli import cli

HOUSE = pathlib.Path(__file__).parent.parent
PAGES = [HOUSE / "README.md", HOUSE / "CONTRIBUTING.md", *sorted((HOUSE / "docs").glob("*.md"))]
# The line above an example that is left out; it says why.
NOT_RUN = re.compile(r"<!-- not run: .+ -->\n$")


def blocks(page, language):
    """(lines before it, code) of the page's blocks in a language, without those marked as not run."""
    text = page.read_text()
    for found in re.finditer(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        if not NOT_RUN.search(text[: found.start()]):
            yield text.count("\n", 0, found.start(1)), found[1]


def name_of(page):
    return page.name


@pytest.fixture
def reader(tmp_path, monkeypatch, trained):
    """Where the pages are read: a folder with a trained run, a recording and the checkout's tests."""
    shutil.copytree(trained, tmp_path / "runs" / "first")
    (tmp_path / "tests").symlink_to(HOUSE / "tests")
    io.write(tmp_path / "tone.wav", 0.3 * np.sin(np.arange(44100) / 16)[:, None], 44100)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("page", [page for page in PAGES if any(blocks(page, "python"))], ids=name_of)
def test_examples_run(page, reader):
    names = {}  # a page is read from the top: its later examples use what the earlier ones made
    for line, code in blocks(page, "python"):
        exec(compile("\n" * line + code, page, "exec"), names)  # so that a traceback names the page's own line


def commands(page):
    """The command lines of a page's shell blocks as words, without comments."""
    for _, code in blocks(page, "sh"):
        for line in code.replace("\\\n", " ").splitlines():
            yield from (shlex.split(part, comments=True) for part in line.split("&&"))


@pytest.mark.parametrize("page", [page for page in PAGES if any(blocks(page, "sh"))], ids=name_of)
def test_commands_parse(page):
    for words in commands(page):
        match words:
            case ["musicdiff", *arguments]:
                command, context = cli, click.Context(cli, **cli.context_settings)
                while isinstance(command, click.Group):
                    (name, command, arguments) = command.resolve_command(context, arguments)
                command.make_context(name, list(arguments), parent=context).close()
            case ["python", script, *_]:
                assert (HOUSE / script).exists(), script
        configuration = [word.removeprefix("--config=") for word in words if word.startswith("--config=")]
        if configuration or words[:2] == ["musicdiff", "train"]:
            texts = configuration or [word for word in words[2:3] if not word.startswith("-")]
            for text in texts:
                config.load(text, [word for word in words if word.startswith("--config.")])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_paths_lead_somewhere(page):
    text = page.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    paths = re.findall(
        r"(?<![\w/.])((?:musicdiff|configs|docs|experiments|notebooks|tests)/[\w/.]*\w/?)(?![\w*<{])", text
    )
    dead = [link for link in links if not (page.parent / link).exists()]
    dead += [path for path in paths if not (HOUSE / path).exists() and "NAME" not in path]
    assert not dead


@pytest.mark.parametrize("page", [HOUSE / "README.md", HOUSE / "docs" / "commands.md"], ids=name_of)
def test_every_command_is_told(page):
    def walk(group, words):
        for name, command in group.commands.items():
            yield from walk(command, [*words, name]) if isinstance(command, click.Group) else [" ".join([*words, name])]

    assert not [command for command in walk(cli, ["musicdiff"]) if command not in page.read_text()]
