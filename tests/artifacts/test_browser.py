"""listen.html in a browser: its pictures are seen, its clips can be played, from a file and without a server. Skipped without Chromium."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from musicdiff.artifacts import rebuild_page, save_clips
from musicdiff.audio.mel import MelSpec

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
# Loads every clip, then leaves what the browser knows of clips and pictures in the document.
ASK = """
<script>
const clips = [...document.querySelectorAll("audio")];
const known = clips.map(clip => new Promise(done => {
  clip.onloadedmetadata = () => done(clip.duration);
  clip.onerror = () => done(-1);
  clip.preload = "metadata"; clip.load();
}));
const pictures = [...document.images].map(picture => { picture.loading = "eager"; return picture.decode().then(
  () => picture.naturalWidth, () => -1); });
Promise.all([Promise.all(known), Promise.all(pictures)]).then(([seconds, widths]) => {
  document.body.append(Object.assign(document.createElement("output"),
    {textContent: JSON.stringify({seconds, widths, wide: document.documentElement.scrollWidth > innerWidth})}));
});
</script>
"""


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [1300, 390])
def test_a_browser_shows_and_plays_it(tmp_path, width):
    spec = MelSpec(num_mels=16)
    audio = 0.3 * np.sin(np.arange(11025) / 16)[None, :, None] * np.ones((3, 1, 2))
    names = ["seed 0, 100 %", "Übung #2?", "a<b>&'c'"]
    mels = np.zeros((3, 44, 16, 1), np.float32)
    save_clips(tmp_path / "samples" / "step_000100", names, audio, 22050, provenance=[{}] * 3, mels=mels, spec=spec)
    page = rebuild_page(tmp_path, "a run")
    page.write_text(page.read_text().replace("</body>", f"{ASK}</body>"))
    options = (
        *QUIET,
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--window-size={width},900",
        "--virtual-time-budget=20000",
    )
    run = subprocess.run(
        [BROWSER, "--headless", *options, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120
    )
    said = json.loads(html.unescape(re.search(r"<output>(.*)</output>", run.stdout)[1]))
    assert said["seconds"] == pytest.approx([0.5] * 3, abs=1e-3)
    assert len(said["widths"]) == 3 and min(said["widths"]) > 100
    assert not said["wide"]
