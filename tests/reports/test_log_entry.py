import re

from conftest import Made, ResultsFolder, jitter_ns

from reports.load import Run, load_results
from reports.log_entry import KEY_FIGURES, log_entry

MS = 1_000_000


def only_run(results: ResultsFolder, made: Made | None = None, test: str = "Test") -> Run:
    results.add(test, made or Made(late_ns=jitter_ns(20, 1)))
    (run,) = load_results(results.path).runs
    return run


def test_it_shows_the_timing_diagram_the_key_figures_and_the_way_to_the_report(
    results: ResultsFolder,
) -> None:
    entry = log_entry(only_run(results), "../r/report.html#run/led/test")

    assert type(entry) is str  # Robot escapes what is more
    assert entry.count("<svg") == 1
    assert 'aria-label="Timing diagram: Led / Test"' in entry
    rows = re.findall(r"<tr><td>([^<]*)</td>", entry)
    assert rows == list(KEY_FIGURES)
    assert '<a href="../r/report.html#run/led/test">' in entry


def test_its_colours_do_not_need_those_of_the_page(results: ResultsFolder) -> None:
    entry = log_entry(only_run(results, Made(missing=2)), "link")
    used = set(re.findall(r"var\(--([a-z]+)\)", entry))

    assert used
    assert all(f"--{name}: " in entry for name in used)
    assert "<style" not in entry
    assert "<script" not in entry


def test_figures_of_a_planted_defect_are_not_shown(results: ResultsFolder) -> None:
    entry = log_entry(only_run(results, Made(missing=2, record={"purpose": "defect"})), "link")

    assert "<svg" in entry
    assert "<table" not in entry


def test_it_is_small_even_of_a_long_run(results: ResultsFolder) -> None:
    made = Made(cycles=2000, on_ns=10 * MS, off_ns=10 * MS, late_ns=jitter_ns(4000, 1))
    entry = log_entry(only_run(results, made), "link")

    assert len(entry) < 40_000


def test_names_cannot_inject_markup(results: ResultsFolder) -> None:
    entry = log_entry(only_run(results, test="<b>bold</b>"), 'x"onclick="y')

    assert "<b>" not in entry
    assert 'href="x"' not in entry
