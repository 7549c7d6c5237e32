import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from conftest import Made, ResultsFolder
from pasts import past_run, seal
from postgres import PASSWORD, connect, server

from reports import history as module
from reports import write_report
from reports.figures import Figure
from reports.history import SCHEMA, History, records
from reports.load import load_results
from reports.statistics import COLUMNS, summarize
from rig.capture import Stall
from rig.errors import HistoryError

WRITER = Path(__file__).with_name("writer.py")
TIMEOUT_S = 60
ENOUGH_KIB = 80_000
"""For a database and for all that the tests store."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """A PostgreSQL server that ends with the tests."""
    with server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place for a history, of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "lab" / "history.sqlite")
    url, name = request.getfixturevalue("postgres"), f"d{os.urandom(6).hex()}"
    with closing(connect(int(url.rpartition(":")[2]))) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"{url}/{name}"


def one(number: int) -> list[module.Record]:
    return [past_run(number, dict.fromkeys(Figure, float(number)))]


def seals(location: str) -> set[str]:
    return set(History(location).read().runs["seal"])


def start_writer(*words: object) -> "subprocess.Popen[str]":
    command = [sys.executable, str(WRITER), *map(str, words)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_what_is_stored_of_a_run_is_what_its_evidence_says(
    results: ResultsFolder, location: str
) -> None:
    stall = Stall(1, 2, "heartbeat")
    results.add("Blinks", Made(late_ns=[1000] * 20, stalls=(stall,)))
    results.add("Too Few", Made(missing=2, record={"purpose": "defect"}))
    loaded = load_results(results.path)
    summary = summarize(loaded)

    assert History(location).add(records(loaded, summary)) == 2

    past = History(location).read()
    record = loaded.runs[0].evidence.run
    (run,) = past.runs.to_dict("records")  # not the one with a planted defect
    same = ("suite", "test", "bench", "bench_sha256", "git_commit", "started_ns", "seal")
    assert {name: run[name] for name in same} == {name: getattr(record, name) for name in same}
    assert (run["tender"], run["unikernel"]) == ("7e" * 32, "1e" * 32)
    assert (run["cycles"], run["on_ns"], run["off_ns"]) == (10, 200_000_000, 300_000_000)
    assert (run["outcome"], run["stalls"], run["kernel"]) == ("INCONCLUSIVE", 1, "6.1.0-56-arm64")
    wanted = summary[summary["run"] != ""].set_index("figure")
    stored = past.figures.set_index("figure")
    for column in ("median", "uncertainty"):
        assert stored[column].to_dict() == pytest.approx(wanted[column].to_dict(), nan_ok=True)
    facts = History(location).facts([record.seal]).set_index("name")["value"].to_dict()
    assert facts == {"board": "Raspberry Pi 3 Model B", "kernel": "6.1.0-56-arm64"} | {
        "base": "458", "python": "3.11.2", "qemu": "7.2.22",
    }  # fmt: skip


def test_every_number_of_the_summary_has_its_column() -> None:
    assert set(COLUMNS) < {column.name for column in module.FIGURES.columns}


def test_storing_the_same_runs_again_changes_nothing(location: str) -> None:
    history = History(location)
    assert history.add([*one(1), *one(2)]) == 2
    before = history.read()

    assert history.add([*one(1), *one(1)]) == 0
    assert history.add([*one(2), *one(3)]) == 1
    after = History(location).read(since_ns=0)
    assert len(after.runs) == 3
    assert after.runs[after.runs["seal"] != seal(3)].equals(before.runs)


def test_a_part_of_the_past_is_read_by_bench_and_time(location: str) -> None:
    figures = {Figure.PERIOD: 1.0}
    runs = [past_run(0, figures), past_run(1, figures, bench="desk"), past_run(2, figures)]
    history = History(location)
    history.add(runs)

    assert set(history.read("virtual").runs["seal"]) == {seal(0), seal(2)}
    late = history.read(since_ns=runs[1].run["started_ns"])
    assert set(late.runs["seal"]) == set(late.figures["seal"]) == {seal(1), seal(2)}


def test_two_writers_at_once_lose_nothing(location: str) -> None:
    writers = [start_writer(location, first, 30, 10) for first in (0, 1000)]
    for writer in writers:
        writer.communicate(timeout=TIMEOUT_S)

    assert [writer.returncode for writer in writers] == [0, 0]
    assert seals(location) == {seal(first + n) for first in (0, 1000) for n in range(30)}
    assert len(History(location).read().figures) == 60 * len(Figure)


def test_of_a_killed_writer_nothing_is_half_there(location: str) -> None:
    History(location).add(one(1))
    writer = start_writer(location, 10, 400, 1, "pause")
    assert writer.stdout
    assert writer.stdout.readline() == "half\n"
    writer.send_signal(signal.SIGKILL)
    writer.communicate(timeout=TIMEOUT_S)

    assert seals(location) == {seal(1)}
    assert len(History(location).read().figures) == len(Figure)
    assert History(location).add(one(2)) == 1
    assert seals(location) == {seal(1), seal(2)}


def test_the_killed_writer_had_written_into_the_file(tmp_path: Path) -> None:
    """Else the test above would show nothing: here nobody clears up after it."""
    path = tmp_path / "history.sqlite"
    writer = start_writer(path, 10, 400, 1, "pause")
    assert writer.stdout
    assert writer.stdout.readline() == "half\n"
    writer.kill()
    writer.communicate(timeout=TIMEOUT_S)

    assert path.stat().st_size > 1_000_000
    assert path.with_name("history.sqlite-journal").exists()


@contextmanager
def waiting_writer(location: str) -> Iterator[None]:
    """Somebody who holds the history, and stores nothing."""
    writer = start_writer(location, 10, 1, 1, "pause")
    try:
        assert writer.stdout
        assert writer.stdout.readline() == "half\n"
        yield
    finally:
        writer.kill()
        writer.communicate(timeout=TIMEOUT_S)


def test_a_history_that_another_holds_is_given_up_after_a_bounded_time(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    History(location).add(one(1))
    monkeypatch.setattr(module, "PATIENCE_S", 1)
    with waiting_writer(location), pytest.raises(HistoryError, match="cannot be written"):
        History(location).add(one(2))
    assert seals(location) == {seal(1)}


@dataclass
class Disk:
    """A place for a history that soon is full."""

    location: str
    enlarge: Callable[[], None]


@contextmanager
def file_system() -> Iterator[tuple[Path, Callable[[int], None]]]:
    """A folder, and what makes it so many KiB large. Skips the test where nobody may mount one."""
    folder = Path(tempfile.mkdtemp(prefix="disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={ENOUGH_KIB}k", "history", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        folder.rmdir()
        pytest.skip(f"cannot mount a small file system: {done.stderr.strip()}")

    def resize(kib: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={kib}k", str(folder)], check=True)

    try:
        yield folder, resize
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


@pytest.fixture
def small_disk() -> Iterator[Disk]:
    with file_system() as (folder, resize):
        resize(240)
        yield Disk(str(folder / "history.sqlite"), lambda: resize(ENOUGH_KIB))


@pytest.fixture
def few_pages(tmp_path: Path) -> Iterator[Disk]:
    """SQLite itself says that the disk is full; this needs no rights."""
    pages = [40]

    def limit(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages[0]}")

    sa.event.listen(sa.Engine, "begin", limit)
    try:
        yield Disk(str(tmp_path / "history.sqlite"), lambda: pages.__setitem__(0, 10_000))
    finally:
        sa.event.remove(sa.Engine, "begin", limit)


@pytest.fixture
def small_tablespace(postgres: str) -> Iterator[Disk]:
    """A server whose tables lie on a small disk; its log of transactions does not."""
    name = f"d{os.urandom(6).hex()}"
    with (
        file_system() as (folder, resize),
        closing(connect(int(postgres.rpartition(":")[2]))) as connection,
    ):
        if os.getuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        connection.execute(f"CREATE TABLESPACE {name} LOCATION '{folder}'".encode())
        connection.execute(f"CREATE DATABASE {name} TABLESPACE {name}".encode())
        resize(shutil.disk_usage(folder).used // 1024 + 600)
        try:
            yield Disk(f"{postgres}/{name}", lambda: resize(ENOUGH_KIB))
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            connection.execute(f"DROP TABLESPACE {name}".encode())


@pytest.mark.parametrize("kind", ["small_disk", "few_pages", "small_tablespace"])
def test_a_full_disk_loses_nothing_that_was_stored(
    kind: str, request: pytest.FixtureRequest
) -> None:
    disk: Disk = request.getfixturevalue(kind)
    history, stored = History(disk.location), set[str]()
    with pytest.raises(HistoryError, match=r"full|No space left on device"):
        fill(history, stored)
    assert len(stored) > 3
    assert seals(disk.location) == stored

    disk.enlarge()
    assert history.add(one(2000)) == 1
    assert seals(disk.location) == stored | {seal(2000)}


def fill(history: History, stored: set[str]) -> None:
    """Run after run; `stored` are those of which it was said that they are."""
    for number in range(1000):
        history.add(one(number))
        stored.add(seal(number))


def damage_first_page(path: Path) -> None:
    path.write_bytes(b"x" * 4096 + path.read_bytes()[4096:])


def damage_all_but_the_head(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xaa" * (len(data) - 4096))


def cut_short(path: Path) -> None:
    os.truncate(path, 8192)


@pytest.mark.parametrize("damage", [damage_first_page, damage_all_but_the_head, cut_short])
def test_a_damaged_file_is_refused_and_left_as_it_is(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / "history.sqlite"
    History(str(path)).add(one(1))
    damage(path)
    before = path.read_bytes()

    for use in (lambda h: h.add(one(2)), lambda h: h.read()):
        with pytest.raises(HistoryError, match=r"damaged.*Move it away.*rig report store"):
            use(History(str(path)))
    assert path.read_bytes() == before


def test_a_history_of_another_schema_is_refused_and_left_as_it_is(location: str) -> None:
    History(location).add(one(1))
    engine = sa.create_engine(History(location)._url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE history SET schema = 'history/7'")

    for use in (lambda h: h.add(one(2)), lambda h: h.read()):
        with pytest.raises(HistoryError, match=f"is history/7, but this rig needs {SCHEMA}"):
            use(History(location))
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM runs").scalar() == 1


def test_a_database_of_somebody_else_is_not_added_to(location: str) -> None:
    if "://" not in location:
        Path(location).parent.mkdir()
    engine = sa.create_engine(History(location)._url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE bookmarks (url TEXT)")

    with pytest.raises(HistoryError, match="something else, with a table 'bookmarks'"):
        History(location).add(one(1))
    assert sa.inspect(engine).get_table_names() == ["bookmarks"]


def test_a_history_that_is_not_there_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="there is none yet"):
        History(str(tmp_path / "history.sqlite")).read()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_database_holds_no_history_to_read(postgres: str) -> None:
    with pytest.raises(HistoryError, match="is empty"):
        History(f"{postgres}/postgres").read()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://rig:hushhush@127.0.0.1:1/lab",
        "postgresql://rig@127.0.0.1:1/lab?password=hushhush",
        "mysql://rig:hushhush@127.0.0.1/lab",
        "postgresql://rig:hushhush@127.0.0.1:1",
        "postgresql://rig:hushhush@127.0.0.1:port/lab",
    ],
)
def test_a_password_is_never_told(url: str) -> None:
    with pytest.raises(HistoryError) as raised:
        History(url).add(one(1))
    assert "hushhush" not in str(raised.value)


def test_a_wrong_password_is_told_without_it(postgres: str) -> None:
    wrong = postgres.replace(PASSWORD, "hushhush")
    with pytest.raises(HistoryError, match="password authentication failed") as raised:
        History(f"{wrong}/postgres").add(one(1))
    assert "hushhush" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_is_no_history_is_told_what_is_allowed() -> None:
    with pytest.raises(HistoryError, match=r"give a path, sqlite:///PATH or postgresql://"):
        History("mysql://somewhere/else")


def test_an_sqlite_file_can_be_named_as_a_url(tmp_path: Path) -> None:
    History(f"sqlite:///{tmp_path}/history.sqlite").add(one(1))
    assert seals(str(tmp_path / "history.sqlite")) == {seal(1)}


def test_a_report_stores_its_runs_once(results: ResultsFolder, history: Path) -> None:
    results.add("Blinks")
    assert write_report(results.path, str(history)).trouble == ""
    assert write_report(results.path, str(history)).trouble == ""
    assert len(History(str(history)).read().runs) == 1


def test_a_report_of_which_no_history_is_kept_makes_none(
    results: ResultsFolder, history: Path
) -> None:
    results.add("Blinks")
    write_report(results.path)
    assert not history.exists()


def test_a_report_is_written_though_its_runs_cannot_be_stored(
    results: ResultsFolder, tmp_path: Path
) -> None:
    results.add("Blinks")
    broken = tmp_path / "history.sqlite"
    broken.write_text("no database")

    report = write_report(results.path, str(broken))

    assert report.html.read_text() == write_report(results.path).html.read_text()
    assert report.trouble.endswith(f"The report is written; later: rig report store {results.path}")
    assert "\n" not in report.trouble
    assert broken.read_text() == "no database"


def test_only_a_planted_defect_ran_and_it_is_no_trouble(
    results: ResultsFolder, history: Path
) -> None:
    results.add("Too Few", Made(missing=2, record={"purpose": "defect"}))
    assert write_report(results.path, str(history)).trouble == ""
