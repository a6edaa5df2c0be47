"""listen.html: every clip of a run with its picture and provenance, on one page that needs no server and moves with its folder."""

import html
import json
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.parse import quote

from etils import epath

from musicdiff.artifacts.clips import Clip, read_clips

PAGE = "listen.html"
STEP_FOLDER = re.compile(r"step_(\d+)")
# Of a provenance: they stand on the card itself.
SHOWN_APART = ("name", "prompt", "conditions", "negative", "findings")


@dataclass(frozen=True)
class Group:
    """Clips under one heading. References (real clips, reconstructions) stand beside all other groups, so that they can be compared."""

    title: str
    clips: Sequence[Clip]
    reference: bool = False


def rebuild_page(folder: epath.PathLike, title: str, *, commands: Sequence[str] = ()) -> epath.Path:
    """Writes FOLDER/listen.html from what lies there, a workdir or any output: clips, samples/*/ with more, and pictures."""
    folder = epath.Path(folder)
    clips = read_clips(folder)
    groups = ([Group("Clips", clips)] if clips else []) + find_groups(folder / "samples")
    drawn = {clip.picture for clip in clips}
    pictures = sorted(path for path in folder.glob("*.png") if path not in drawn)
    return save_page(folder, title, groups, commands=commands, pictures=pictures)


def find_groups(samples: epath.PathLike) -> list[Group]:
    """The groups of a run's samples/: step_000100, step_000200, ... newest first; any other folder is a reference named as it is."""
    samples = epath.Path(samples)
    folders = [path for path in samples.iterdir() if path.is_dir()] if samples.exists() else []
    steps, references = {}, []
    for folder in sorted(folders):
        clips = read_clips(folder)
        step = STEP_FOLDER.fullmatch(folder.name)
        if clips and step:
            steps[int(step[1])] = clips
        elif clips:
            references.append(Group(folder.name.replace("_", " ").capitalize(), clips, reference=True))
    return [Group(f"Step {step}", steps[step]) for step in sorted(steps, reverse=True)] + references


def save_page(
    folder: epath.PathLike,
    title: str,
    groups: Sequence[Group],
    *,
    commands: Sequence[str] = (),
    pictures: Sequence[epath.Path] = (),
) -> epath.Path:
    """Writes FOLDER/listen.html and returns its path. Links are relative: everything on the page must lie inside the folder.

    Args:
        groups: in the order of the page; the first is open, the others a click away
        commands: shell lines that use or repeat the run
        pictures: shown above the clips, named by their files
    """
    folder = epath.Path(folder)
    main = [group for group in groups if not group.reference]
    beside = [group for group in groups if group.reference]
    template = string.Template(resources.files(__package__).joinpath(PAGE).read_text(encoding="utf-8"))
    text = template.substitute(
        title=html.escape(title),
        commands=_commands(commands),
        pictures=_pictures(folder, pictures),
        groups="\n".join(_group(folder, group, opened=i == 0) for i, group in enumerate(main))
        or '<p class="none">No clips yet.</p>',
        references=_references(folder, beside),
    )
    page = folder / PAGE
    page.write_text(text)
    return page


def _commands(commands: Sequence[str]) -> str:
    lines = "\n".join(html.escape(command) for command in commands)
    return f"<section>\n<h2>Commands</h2>\n<pre><code>{lines}</code></pre>\n</section>" if commands else ""


def _pictures(folder: epath.Path, pictures: Sequence[epath.Path]) -> str:
    figures = []
    for path in pictures:
        caption = html.escape(path.stem.replace("_", " ").capitalize())
        figures.append(
            f'<figure><img src="{_link(folder, path)}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'
        )
    return "\n".join(['<div class="pictures">', *figures, "</div>"]) if figures else ""


def _references(folder: epath.Path, groups: Sequence[Group]) -> str:
    parts = "\n".join(_group(folder, group, opened=True) for group in groups)
    return f'<aside aria-label="To compare with">\n{parts}\n</aside>' if groups else ""


def _group(folder: epath.Path, group: Group, *, opened: bool) -> str:
    cards = "\n".join(_card(folder, clip) for clip in group.clips)
    count = f"{len(group.clips)} clip{'' if len(group.clips) == 1 else 's'}"
    return (
        f'<details class="group"{" open" if opened else ""}>\n'
        f'<summary><h2>{html.escape(group.title)}</h2> <span class="count">{count}</span></summary>\n'
        f'<div class="clips">\n{cards}\n</div>\n</details>'
    )


def _card(folder: epath.Path, clip: Clip) -> str:
    title, link = html.escape(clip.title), _link(folder, clip.audio)
    lines = [f"<h3>{title}</h3>"]
    lines += [f"<p>{html.escape(words)}</p>" for words in _told(clip.provenance) if words != clip.title]
    lines += [f"<p>away from {html.escape(words)}</p>" for words in _told(clip.provenance.get("negative"))]
    if clip.picture is not None:
        alt = f"Mel spectrogram of {title}: time to the right, pitch upwards"
        lines.append(f'<img src="{_link(folder, clip.picture)}" alt="{alt}" loading="lazy">')
    lines.append(f'<audio controls preload="none" src="{link}" aria-label="Play {title}"></audio>')
    lines += [f'<p class="finding">{_value(finding)}</p>' for finding in clip.findings]
    facts = [f'<dt>file</dt><dd><a href="{link}">{html.escape(clip.audio.name)}</a></dd>']
    facts += [
        f"<dt>{html.escape(str(key))}</dt><dd>{_value(value)}</dd>"
        for key, value in clip.provenance.items()
        if key not in SHOWN_APART
    ]
    lines.append(f"<details><summary>How it was made</summary><dl>{''.join(facts)}</dl></details>")
    return '<article class="clip">\n' + "\n".join(lines) + "\n</article>"


def _told(record: Any) -> list[str]:
    """What a record says that a clip was told: the prompt, and the conditions by name."""
    record = record if isinstance(record, dict) else {}
    prompt, conditions = record.get("prompt"), record.get("conditions")
    said = [_words(prompt)] if prompt else []
    if isinstance(conditions, dict) and conditions:
        said.append(", ".join(f"{name} {_words(value)}" for name, value in conditions.items()))
    return said


def _value(value: Any) -> str:
    return html.escape(_words(value))


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _link(folder: epath.Path, path: epath.Path) -> str:
    # Percent-encoded, colons and quotes too: no file name can become another scheme, a query or markup.
    return quote(epath.Path(path).relative_to(folder).as_posix())
