"""`musicdiff bound` and `musicdiff plot`: results on stdout alone, refusals as one line with their exit code."""

import json

import pytest


def test_a_bound_is_a_table_or_json(call, trained):
    numbers = ("--clips", 4, "--levels", 20, "--evaluations", 2, "--batch-size", 4)
    code, table, progress = call("bound", "--workdir", trained, *numbers)
    assert code == 0 and "batches of clips" in progress
    code, text, _ = call("bound", "--workdir", trained, *numbers, "--json")
    found = json.loads(text)
    assert code == 0 and found["step"] == 6 and found["kind"] == "density"
    assert found["total"]["bits"] == pytest.approx(sum(term["bits"] for term in found["terms"]))
    assert table.splitlines()[-1].split()[0] == "total" and f"{found['total']['bits']:.4f}" in table


def test_a_plot_says_where_it_is(call, trained, tmp_path):
    out = tmp_path / "losses.png"
    assert call("plot", "--workdir", trained, "--out", out)[:2] == (0, f"{out}\n")
    assert out.read_bytes().startswith(b"\x89PNG")
    assert call("plot", "--workdir", trained / "autoencoder", "--out", out)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("bound", "--workdir", "{run}/autoencoder"), 2, "holds an autoencoder"),
        (("bound", "--workdir", "{run}/none"), 3, "is not a workdir"),
        (("bound", "--workdir", "{run}", "--milestone", "7"), 2, "no milestone '7'"),
        (("bound", "--workdir", "{run}", "--levels", "1"), 2, "--levels must be 2 or more, not 1"),
        *(
            (("bound", "--workdir", "{run}", option, "0"), 2, f"{option} must be 1 or more, not 0")
            for option in ("--clips", "--evaluations", "--batch-size")
        ),
        *(
            (("bound", "--workdir", "{run}", "--seed", seed), 2, f"--seed must be from 0 to 4294967295, not {seed}")
            for seed in ("-1", "4294967296")
        ),
        (("plot", "--workdir", "{run}/none"), 3, "is not a workdir"),
        (("plot", "--workdir", "{run}", "--out", "x.gif"), 2, "PNG"),
    ],
)
def test_refusals_are_one_line(call, trained, arguments, code, words):
    found, out, errors = call(*(text.format(run=trained) for text in arguments))
    assert found == code and out == ""
    assert errors.startswith("error: ") and words in errors and errors.count("\n") == 1
