"""What learning platforms give for download, sorted by student; nothing lost, nothing overwritten, nothing let out."""

import datetime
import io
import json
import stat
import zipfile

import pytest

from aibook.labs import archives, roster
from aibook.labs.archives import SourceError
from aibook.labs.collect import collect, main, notes
from aibook.labs.roster import RosterError

PEOPLE = "Student ID,Name,Email\n2023001,Anna Lee,anna@uni.example\n2023002,Jörg Müller,jm@uni.example\n2023003,张伟,\n"
MOODLE = (
    "Identifier,Full name,ID number,Email address,Grade\n"
    "Participant 4711,Anna Lee,2023001,anna@uni.example,\nParticipant 4712,Anna Lee,2023002,other@uni.example,\n"
)
CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Lab 1 (77)\n    Points Possible,,,,,20.0\n"
    '"Lee, Anna",901,2023001,alee,S1,\n"Müller, Jörg",902,2023002,jmueller,S1,\n"Student, Test",999,,x,S1,\n'
)


def book(text="x = 1"):
    return json.dumps({"cells": [{"cell_type": "code", "source": text}]}).encode()


def people(tmp_path, text=PEOPLE, encoding="utf-8"):
    path = tmp_path / "roster.csv"
    path.write_bytes(text.encode(encoding))
    return roster.read(path)


def zipped(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def tree(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.ipynb"))


# -- the roster --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_roster_as_spreadsheets_write_it(tmp_path, encoding, delimiter):
    found = people(tmp_path, PEOPLE.replace(",", delimiter), encoding)
    assert [(p.id, p.name, p.email) for p in found.people][:2] == [
        ("2023001", "Anna Lee", "anna@uni.example"),
        ("2023002", "Jörg Müller", "jm@uni.example"),
    ]


def test_rosters_of_moodle_and_canvas(tmp_path):
    moodle = people(tmp_path, MOODLE)
    assert [(p.id, p.number) for p in moodle.people] == [("2023001", "4711"), ("2023002", "4712")]
    canvas = people(tmp_path, CANVAS)
    assert [(p.id, p.number, p.login) for p in canvas.people] == [
        ("2023001", "901", "alee"),
        ("2023002", "902", "jmueller"),
    ]
    chinese = people(tmp_path, "学号,姓名,邮箱\n0012,张伟,z@uni.example\n")
    assert (chinese.people[0].id, chinese.people[0].name) == ("0012", "张伟")
    split = people(tmp_path, 'ID number,First name,Surname\n="007",Anna,Lee\n')
    assert (split.people[0].id, split.people[0].name) == ("007", "Anna Lee")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("Colour,Size\nred,1\n", "no column of student ids"),
        ("Student ID,Name\n", "no students"),
        ("Student ID,Name\n1,Anna\n1,Bo\n", "lines 2 and 3: two students"),
        ("Student ID,Name\na/b,Anna\na_b,Bo\n", "two students"),
        ("Student ID,Name\n,Anna\n", "line 2: Anna has no student id"),
    ],
)
def test_a_roster_that_cannot_be_used_says_where(tmp_path, text, says):
    with pytest.raises(RosterError, match=says):
        people(tmp_path, text)


def test_a_roster_in_another_encoding_is_not_guessed(tmp_path):
    with pytest.raises(RosterError, match="CSV UTF-8"):
        people(tmp_path, PEOPLE, "gb18030")


def test_an_id_never_leads_out_of_the_folder():
    for name in ("../../etc", "..", ".", "", "a/b", "C:\\x", "\0", "-rf"):
        made = roster.folder_name(name)
        assert made and made not in (".", "..") and not set(made) & set("/\\:\0") and not made.startswith("-")


# -- whose file it is --------------------------------------------------------------------------------------------------
def test_moodles_archive_with_folders_and_flat(tmp_path):
    source = zipped(
        tmp_path / "moodle.zip",
        {
            "Anna Lee_4711_assignsubmission_file_/lab1.ipynb": book("a"),
            "Jörg Müller_4712_assignsubmission_file_/sub/lab1.ipynb": book("b"),
            "张伟_4713_assignsubmission_file_my lab.ipynb": book("c"),
            "Anna Lee_4711_assignsubmission_onlinetext_/onlinetext.html": "<p>hello",
            "__MACOSX/Anna Lee_4711_assignsubmission_file_/._lab1.ipynb": b"junk",
        },
    )
    report = collect(source, tmp_path / "in", people(tmp_path))
    assert tree(tmp_path / "in") == ["2023001/lab1.ipynb", "2023002/lab1.ipynb", "2023003/my_lab.ipynb"]
    assert len(report.collected) == 3 and not report.unmatched and not report.missing
    assert len(report.no_notebook) == 1 and "onlinetext" in report.no_notebook[0]
    assert (tmp_path / "in/2023001/lab1.ipynb").read_bytes() == book("a")


def test_canvas_archive_with_late_work(tmp_path):
    source = zipped(
        tmp_path / "canvas.zip",
        {"leeanna_901_5001_lab1-1.ipynb": book("a"), "mullerjorg_LATE_902_5002_lab1.ipynb": book("b")},
    )
    report = collect(source, tmp_path / "in", people(tmp_path, CANVAS))
    assert tree(tmp_path / "in") == ["2023001/lab1-1.ipynb", "2023002/lab1.ipynb"]
    assert len(report.late) == 1 and "2023002" in report.late[0]
    assert {row["student"]: row["note"] for row in notes(tmp_path / "in")} == {"2023001": "", "2023002": "late"}


def test_two_of_one_name_are_told_apart_by_number_and_never_guessed(tmp_path):
    with_numbers = people(tmp_path, MOODLE)
    entries = {f"Anna Lee_{n}_assignsubmission_file_/a.ipynb": book(n) for n in ("4711", "4712", "9999")}
    report = collect(zipped(tmp_path / "m.zip", entries), tmp_path / "in", with_numbers)
    assert tree(tmp_path / "in") == ["2023001/a.ipynb", "2023002/a.ipynb", "Anna_Lee_9999/a.ipynb"]
    assert len(report.unmatched) == 1 and "fits 2023001 and 2023002" in report.unmatched[0]


def test_a_students_own_folder_does_not_make_it_someone_elses(tmp_path):
    entries = {
        "Anna Lee_4711_assignsubmission_file_/Jörg Müller_4712_assignsubmission_file_/a.ipynb": book("a"),
        "Anna Lee_4711_assignsubmission_file_Jörg Müller_4712_assignsubmission_file_b.ipynb": book("b"),
        "leeanna_901_5001_mullerjorg_902_5002_c.ipynb": book("c"),
    }
    collect(zipped(tmp_path / "m.zip", entries), tmp_path / "in", people(tmp_path))
    assert {name.split("/")[0] for name in tree(tmp_path / "in")} == {"2023001"}


def test_a_folder_of_files_by_student(tmp_path):
    source = tmp_path / "got"
    for name in ("2023001/x.ipynb", "jm@uni.example/y.ipynb", "张伟/z.ipynb.json", "other/w.ipynb.txt"):
        (source / name).parent.mkdir(parents=True)
        (source / name).write_bytes(book(name))
    report = collect(source, tmp_path / "in", people(tmp_path))
    assert tree(tmp_path / "in") == ["2023001/x.ipynb", "2023002/y.ipynb", "2023003/z.ipynb", "other/w.ipynb"]
    assert len(report.unmatched) == 1


def test_files_that_are_called_after_a_student(tmp_path):
    source = tmp_path / "got"
    source.mkdir()
    for name in ("lab1 anna lee", "lab_2023002", "张伟-实验1", "Ana Lee lab1", "final"):
        (source / f"{name}.ipynb").write_bytes(book(name))
    report = collect(source, tmp_path / "in", people(tmp_path))
    folders = {name.split("/")[0] for name in tree(tmp_path / "in")}
    assert folders == {"2023001", "2023002", "2023003", "Ana_Lee_lab1", "final"}
    assert "most like Anna Lee (2023001)" in " ".join(report.unmatched)


def test_without_a_roster_names_are_kept(tmp_path):
    entries = {
        "all/Anna Lee_4711_assignsubmission_file_/lab1.ipynb": book("a"),
        "all/bo/deep/lab1.ipynb": book("b"),
        "all/cy/lab1.ipynb": book("c"),
    }
    collect(zipped(tmp_path / "m.zip", entries), tmp_path / "in")
    assert tree(tmp_path / "in") == ["Anna_Lee_4711/lab1.ipynb", "bo/lab1.ipynb", "cy/lab1.ipynb"]


def test_who_handed_nothing_in_is_named(tmp_path):
    source = zipped(tmp_path / "m.zip", {"2023001/a.ipynb": book()})
    assert collect(source, tmp_path / "in", people(tmp_path)).missing == ["2023002 Jörg Müller", "2023003 张伟"]


# -- nothing overwritten -----------------------------------------------------------------------------------------------
def test_the_same_again_adds_nothing_and_other_content_is_kept_beside(tmp_path):
    first = zipped(tmp_path / "1.zip", {"anna/lab1.ipynb": book("a")})
    assert len(collect(first, tmp_path / "in").collected) == 1
    again = collect(first, tmp_path / "in")
    assert not again.collected and len(again.already) == 1
    second = zipped(tmp_path / "2.zip", {"anna/lab1.ipynb": book("b")})
    for _ in range(2):
        report = collect(second, tmp_path / "in")
        assert tree(tmp_path / "in") == ["anna/lab1-2.ipynb", "anna/lab1.ipynb"]
    assert report.already and (tmp_path / "in/anna/lab1.ipynb").read_bytes() == book("a")
    assert len(notes(tmp_path / "in")) == 2


def test_the_time_of_handing_in_is_kept(tmp_path):
    info = zipfile.ZipInfo("anna/lab1.ipynb", (2024, 5, 6, 7, 8, 10))
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr(info, book())
    collect(tmp_path / "t.zip", tmp_path / "in")
    modified = (tmp_path / "in/anna/lab1.ipynb").stat().st_mtime
    assert datetime.datetime.fromtimestamp(modified) == datetime.datetime(2024, 5, 6, 7, 8, 10)


# -- hostile archives --------------------------------------------------------------------------------------------------
def test_paths_that_lead_out_and_links_are_refused(tmp_path):
    link = zipfile.ZipInfo("bo/link.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    entries = ["../../out.ipynb", "/out.ipynb", "C:/out.ipynb", "anna\\..\\..\\out.ipynb"]
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for name in [*entries, "anna/fine.ipynb"]:
            archive.writestr(zipfile.ZipInfo(name), book(name))
        archive.writestr(link, "/etc/passwd")
    report = collect(tmp_path / "z.zip", tmp_path / "deep/in")
    assert tree(tmp_path) == ["deep/in/anna/fine.ipynb"]
    assert len(report.refused) == 5


def test_links_in_a_folder_are_refused(tmp_path):
    (tmp_path / "secret").write_text("s")
    (tmp_path / "got/anna").mkdir(parents=True)
    (tmp_path / "got/anna/a.ipynb").write_bytes(book())
    (tmp_path / "got/anna/b.ipynb").symlink_to(tmp_path / "secret")
    report = collect(tmp_path / "got", tmp_path / "in")
    assert tree(tmp_path / "in") == ["anna/a.ipynb"] and report.refused == ["anna/b.ipynb: a link"]


def test_a_zip_bomb_is_refused_and_the_others_are_collected(tmp_path):
    source = zipped(tmp_path / "b.zip", {"anna/bomb.ipynb": bytes(64 * 2**20), "bo/fine.ipynb": book()})
    report = collect(source, tmp_path / "in")
    assert tree(tmp_path / "in") == ["bo/fine.ipynb"]
    assert len(report.refused) == 1 and "zip bomb" in report.refused[0]


def test_an_archive_that_says_less_than_it_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_BYTES", 2**20)
    noise = bytes(range(256)) * 2**14
    source = zipped(tmp_path / "b.zip", {"anna/a.ipynb": noise, "bo/fine.ipynb": book()})
    report = collect(source, tmp_path / "in")
    assert tree(tmp_path / "in") == ["bo/fine.ipynb"] and "more than 1 MB" in report.refused[0]
    monkeypatch.setattr(archives, "MOST_TOTAL", 2**20)
    with pytest.raises(SourceError, match="refused"):
        collect(source, tmp_path / "in2")


def test_a_damaged_entry_is_named_and_the_others_are_collected(tmp_path):
    source = zipped(tmp_path / "d.zip", {"anna/a.ipynb": book("a" * 999), "bo/fine.ipynb": book()})
    raw = bytearray(source.read_bytes())
    raw[60] ^= 255
    source.write_bytes(raw)
    report = collect(source, tmp_path / "in")
    assert tree(tmp_path / "in") == ["bo/fine.ipynb"] and len(report.refused) == 1


def test_names_from_windows_in_china(tmp_path):
    name = "张伟_4713_assignsubmission_file_"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("X" * len(name.encode("gb18030")) + "/a.ipynb", book())
    raw = buffer.getvalue().replace(b"X" * len(name.encode("gb18030")), name.encode("gb18030"))
    (tmp_path / "w.zip").write_bytes(raw)
    collect(tmp_path / "w.zip", tmp_path / "in", people(tmp_path))
    assert tree(tmp_path / "in") == ["2023003/a.ipynb"]


# -- the command -------------------------------------------------------------------------------------------------------
def test_the_command_tells_all_and_fails_with_a_reason(tmp_path, capsys):
    (tmp_path / "roster.csv").write_text(PEOPLE)
    source = zipped(
        tmp_path / "m.zip",
        {"2023001/a.ipynb": book(), "nobody/b.ipynb": book("b"), "2023002/c.py": b"x", "x_LATE_1_2_a.ipynb": book("l")},
    )
    assert main(source, tmp_path / "in", tmp_path / "roster.csv") == 0
    out = capsys.readouterr().out
    for words in ("not on the roster", "nobody/b.ipynb", "not notebooks", "c.py", "handed in late", "2023003 张伟"):
        assert words in out
    assert main(tmp_path / "none.zip", tmp_path / "in", None) == 1
    assert "There is no" in capsys.readouterr().err
    (tmp_path / "no.zip").write_bytes(b"no zip")
    assert main(tmp_path / "no.zip", tmp_path / "in", None) == 1
    assert "neither a folder nor a zip" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(tmp_path / "empty", tmp_path / "in", None) == 1
    assert main(tmp_path, tmp_path / "in", None) == 1
    assert "choose a folder outside" in capsys.readouterr().err
