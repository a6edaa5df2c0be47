"""listen.html is well formed, self-contained, and every link on it leads to a file, wherever the folder was moved."""

import json
import shutil
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest

from musicdiff.artifacts import Group, find_groups, read_clips, rebuild_page, save_clips, save_page

RATE = 22050
VOID = {"meta", "img", "br", "link", "input", "hr"}
PNG = b"\x89PNG\r\n\x1a\n"


class Page(HTMLParser):
    """Collects what a test asks for, and fails on tags that are not closed in order."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.texts, self.links = [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert len(dict(attributes)) == len(attributes)
        self.tags.append((tag, dict(attributes)))
        self.links += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self.open[-1] if self.open else None, data.strip()))

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def texts_in(self, tag):
        return [text for name, text in self.texts if name == tag]


def save(folder, names, **record):
    audio = np.tile(np.float32([[0.1], [-0.1]]), (len(names), 50, 1))  # [B, N, C]
    clips = save_clips(folder, names, audio, RATE, provenance=[{"seed": i, **record} for i in range(len(names))])
    for clip in clips:
        clip.audio.with_suffix(".png").write_bytes(PNG)


@pytest.fixture
def workdir(tmp_path):
    workdir = tmp_path / "run"
    for step in (100, 20000, 3000):
        save(workdir / "samples" / f"step_{step:06d}", ["one", "two"], checkpoint_step=step, sampler="ddim")
    save(workdir / "samples" / "real", ["song 1"])
    save(workdir / "samples" / "reconstructions", ["song 1"])
    (workdir / "samples" / "step_999999").mkdir()  # killed before its first clip
    (workdir / "curves.png").write_bytes(PNG)
    return workdir


def check_links(page, folder):
    assert page.links
    for link in page.links:
        assert ":" not in link and not link.startswith("/")
        assert (folder / unquote(link)).is_file(), link


def test_the_page_is_rebuilt_from_disk(workdir):
    path = rebuild_page(workdir, "Run x", commands=["musicdiff sample --workdir run"])
    assert path == workdir / "listen.html"
    page = Page(path)
    check_links(page, workdir)
    assert page.texts_in("h1") == ["Run x"] == page.texts_in("title")
    assert page.texts_in("h2") == ["Commands", "Step 20000", "Step 3000", "Step 100", "Real", "Reconstructions"]
    assert page.texts_in("h3") == ["one", "two"] * 3 + ["song 1"] * 2
    assert page.texts_in("code") == ["musicdiff sample --workdir run"]
    assert len(page.all("audio")) == 8 and len(page.all("img")) == 9
    assert len(page.all("aside")) == 1
    shown = page.texts_in("dd")
    assert shown.count("20000") == 2 and shown.count("ddim") == 6


def test_the_newest_step_and_the_references_are_open(workdir):
    page = Page(rebuild_page(workdir, "x"))
    assert ["open" in group for group in page.all("details") if group.get("class")] == [True, False, False, True, True]


def test_the_page_survives_a_move(workdir, tmp_path):
    before = rebuild_page(workdir, "x").read_bytes()
    moved = tmp_path / "über # 100% ?" / "c"
    shutil.move(workdir, moved)
    check_links(Page(moved / "listen.html"), moved)
    assert rebuild_page(moved, "x").read_bytes() == before


def test_the_page_needs_nothing_from_outside(workdir):
    page = Page(rebuild_page(workdir, "x"))
    assert not page.all("link") and not [script for script in page.all("script") if "src" in script]
    text = (workdir / "listen.html").read_text()
    assert "http" not in text and "url(" not in text and "@import" not in text


def test_the_page_can_be_used_without_eyes_or_ears(workdir):
    page = Page(rebuild_page(workdir, "x"))
    assert page.all("html") == [{"lang": "en"}]
    assert all(image["alt"] for image in page.all("img"))
    assert all(audio["aria-label"].startswith("Play ") and "controls" in audio for audio in page.all("audio"))
    assert len(page.all("h1")) == len(page.all("main")) == 1


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '" onerror="alert(1)',
        "'><b>",
        "&amp; & ]]>",
        "$title ${x}",
        "été 音楽 🎵",
        "--><!-- x",
        "javascript:alert(1)",
    ],
)
def test_hostile_words_stay_words(tmp_path, hostile):
    told = {
        "prompt": f"prompt: {hostile}",
        "conditions": {"style": hostile, "tempo": 94},
        "negative": {"prompt": hostile, "conditions": {"key": hostile}},
    }
    save(tmp_path, [hostile], findings=[hostile], **told, **{"note": {hostile: hostile}})
    plain = Page(rebuild_page(tmp_path, "x", commands=["x"]))
    page = Page(rebuild_page(tmp_path, hostile, commands=[hostile]))
    check_links(page, tmp_path)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert [set(attributes) for _, attributes in page.tags] == [set(attributes) for _, attributes in plain.tags]
    for tag in ("title", "h1", "h3", "code"):
        assert page.texts_in(tag) == [hostile]
    said = [
        f"prompt: {hostile}",
        f"style {hostile}, tempo 94",
        f"away from {hostile}",
        f"away from key {hostile}",
        hostile,
    ]
    assert page.texts_in("p") == said
    assert page.all("audio")[0]["aria-label"] == f"Play {hostile}"
    assert json.dumps({hostile: hostile}, ensure_ascii=False) in page.texts_in("dd")


@pytest.mark.parametrize("told", [{}, None, "style lofi", ["lofi"]])
def test_what_was_not_told_is_not_shown(tmp_path, told):
    save(tmp_path, ["one"], conditions=told, negative=told, prompt=None)
    page = Page(rebuild_page(tmp_path, "x"))
    assert page.texts_in("p") == [] and "negative" not in page.texts_in("dt")


@pytest.mark.parametrize("stem", ["a#b", "100%25", "a?b=c", "c:d", 'q"u<o>te', "été", "a b"])
def test_any_file_name_can_be_linked(tmp_path, stem):
    (tmp_path / f"{stem}.wav").write_bytes(b"RIFF")
    (tmp_path / f"{stem}.png").write_bytes(PNG)
    page = Page(rebuild_page(tmp_path, "x"))
    check_links(page, tmp_path)
    assert page.texts_in("h3") == [stem]
    assert len(page.all("img")) == 1  # the clip's own picture is not shown a second time


def test_a_folder_without_clips_has_a_page_too(tmp_path):
    page = Page(rebuild_page(tmp_path, "x"))
    assert "No clips yet." in page.texts_in("p") and find_groups(tmp_path / "samples") == []


def test_findings_are_shown(tmp_path):
    save_clips(tmp_path, ["a"], np.zeros((1, 50, 1)), RATE, provenance=[{}])
    assert Page(rebuild_page(tmp_path, "x")).texts_in("p") == ["silent: peak -inf dB of full scale"]


def test_groups_of_ones_own(tmp_path):
    save(tmp_path / "a", ["x"])
    save(tmp_path / "b", ["y"])
    groups = [
        Group("Input", read_clips(tmp_path / "a"), reference=True),
        Group("Variations", read_clips(tmp_path / "b")),
    ]
    page = Page(save_page(tmp_path, "Vary", groups))
    check_links(page, tmp_path)
    assert page.texts_in("h2") == ["Variations", "Input"]


def test_clips_outside_the_folder_are_refused(tmp_path):
    save(tmp_path / "a", ["x"])
    with pytest.raises(ValueError):
        save_page(tmp_path / "b", "x", [Group("a", read_clips(tmp_path / "a"))])
