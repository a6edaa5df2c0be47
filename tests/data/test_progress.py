from musicdiff.data import progress


def test_plain_lines_where_there_is_no_terminal(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    assert list(progress.track_progress("abcd", 4, "mels of x")) == list("abcd")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("mels of x: 1 of 4, ") and lines[0].endswith(" s left")
    assert lines[-1].startswith("mels of x: 4 of 4, ")


def test_nothing_when_not_shown(capsys):
    assert list(progress.track_progress("abcd", 4, "mels", shown=False)) == list("abcd")
    assert capsys.readouterr().err == ""
