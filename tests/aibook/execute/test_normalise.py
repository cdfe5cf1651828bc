"""What differs from one execution or machine to the next is gone from the outputs; what the reader needs is not."""

import base64
import struct
import tempfile
import zlib
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from aibook import house
from aibook.execute.normalise import keep_times, normalise, with_ids


def outputs(*given, **more):
    cell = new_code_cell("x", execution_count=7, outputs=list(given))
    return normalise(new_notebook(cells=[cell]), **more).cells[0].outputs


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def shown(mime, content):
    (output,) = outputs(new_output("display_data", data={mime: content}))
    return output.data[mime]


@pytest.mark.parametrize(
    ("printed", "kept"),
    [
        ("a\nb\n", "a\nb\n"),
        ("\r 0%|  | 0/2 [00:00<?, ?it/s]\r100%|██| 2/2 [00:01<00:00, 85.3it/s]\n", "100%|██| 2/2\n"),
        ("\r 50%|█ | 1/2 [00:00<?, ?it/s]\r100%|██| 2/2 [01:02:03<00:00, 85.3it/s]", "100%|██| 2/2"),
        ("\r 88%|██| 7/8 [00:00<00:00, 9B/s]\r                   \rloaded", "loaded"),
        ("before\nEpoch 0\rEpoch 1\r\nafter [1:2<3]", "before\nEpoch 1\nafter [1:2<3]"),
        ("\x1b[A\x1b[1mbold\x1b[0m", "\x1b[1mbold\x1b[0m"),
        ("<function f at 0x7f3a5c0d1e50>", "<function f>"),
        ("colour 0x7f", "colour 0x7f"),
        (f"{house.ROOT}/helpers/a.py", "./helpers/a.py"),
        (f"saved in '{Path.home()}/.cache/aibook'", "saved in '~/.cache/aibook'"),
        (f"{house.ROOT}ish", f"{house.ROOT}ish".replace(str(Path.home()), "~")),
        ("/tmp/ipykernel_123/456.py:3: UserWarning: x", "<cell>:3: UserWarning: x"),
    ],
)
def test_texts(printed, kept):
    (output,) = outputs(stream(printed))
    assert output.text == kept


def test_a_bar_that_was_wiped_away_leaves_no_output():
    wiped = stream("\rdata:   0%|  | 0/8\rdata:  88%|██| 7/8 [00:00<00:00]\r                 \r", "stderr")
    assert outputs(wiped) == []


def test_the_scratch_folder_is_the_place_where_it_ran(tmp_path):
    (output,) = outputs(stream(f"{tmp_path}/cwd/logs {tmp_path}/cwd"), scratch=tmp_path)
    assert output.text == "./logs ."


def test_folders_of_installed_packages_and_of_the_system():
    import nbformat

    (output,) = outputs(stream(f"{nbformat.__file__}:1\n{tempfile.__file__}:2"))
    assert output.text == "site-packages/nbformat/__init__.py:1\npython/tempfile.py:2"


def test_streams_are_joined_in_one_order():
    err = stream("warning\n", "stderr")
    result = new_output("execute_result", data={"text/plain": "1"}, execution_count=7)
    found = outputs(stream("a\n"), err, stream("b\n"), result, stream("c\n"))
    assert [(output.output_type, output.get("text")) for output in found] == [
        ("stream", "a\nb\n"), ("stream", "warning\n"), ("execute_result", None), ("stream", "c\n"),
    ]  # fmt: skip
    assert found[2].execution_count == 1


def test_what_is_left_empty_goes():
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "random"}, "text/plain": "0%|   | 0/2"}
    assert outputs(stream("\x1b[A"), new_output("display_data", data=widget)) == []


def test_tracebacks_are_normalised():
    (output,) = outputs(new_output("error", ename="E", evalue=f"{house.ROOT}/x", traceback=["<a at 0x7f3a5c0d1e50>"]))
    assert (output.evalue, output.traceback) == ("./x", ["<a>"])


def test_images_lose_texts_and_times_but_no_pixel():
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    def image(*chunks):
        return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)).decode()

    header, pixels, end = chunk(b"IHDR", b"h" * 13), chunk(b"IDAT", b"pixels"), chunk(b"IEND", b"")
    given = image(header, chunk(b"tEXt", b"Software\0v1"), chunk(b"tIME", b"1234567"), pixels, end)
    assert shown("image/png", given) == image(header, pixels, end)


def test_random_ids_are_numbered():
    style = "<style>#T_ab12c_row0 {}</style><table id='T_ab12c'>"
    assert shown("text/html", style) == "<style>#T_0_row0 {}</style><table id='T_0'>"
    drawn = "<dc:date>2026-01-01</dc:date><path id='m0123456789'/><clip id='pabcdefabcd'/><use href='#m0123456789'/>"
    assert shown("image/svg+xml", drawn) == "<path id='m_0'/><clip id='p_1'/><use href='#m_0'/>"


def test_metadata_is_canonical_and_counts_begin_at_one():
    cells = [
        new_code_cell("a", execution_count=4, metadata={"papermill": {"duration": 1}, "execution": {}, "tags": []}),
        new_code_cell(""),
        new_code_cell("b", execution_count=9, metadata={"tags": ["display"]}),
    ]
    node = new_notebook(cells=cells)
    node.metadata.update(papermill={}, widgets={}, kernelspec={}, language_info={"version": "3.13.1"}, title="kept")
    normalise(node)
    assert [cell.execution_count for cell in node.cells] == [1, None, 2]
    assert [cell.metadata for cell in node.cells] == [{}, {}, {"tags": ["display"]}]
    assert node.metadata.keys() == {"kernelspec", "language_info", "title"}
    assert node.metadata.kernelspec.name == "python3"
    assert "version" not in node.metadata.language_info


def test_cell_ids_are_kept_or_follow_from_the_cell():
    def made():
        node = new_notebook(cells=[new_markdown_cell("a"), new_code_cell("b"), new_code_cell("c")])
        node["nbformat_minor"] = 4
        node.cells[0]["id"] = node.cells[1]["id"] = "mine"
        del node.cells[2]["id"]
        return with_ids(node)

    ids = [cell["id"] for cell in made().cells]
    assert ids == [cell["id"] for cell in made().cells]
    assert ids[0] == "mine"
    assert len(set(ids)) == 3
    assert made().nbformat_minor == 5


def record(name, value, kind):
    metadata = {"scrapbook": {"name": name}, "aibook": {"value": value, "kind": kind}}
    return new_output("display_data", data={"text/plain": str(value)}, metadata=metadata)


def test_times_stay_as_they_were_and_results_do_not():
    def made(value):
        return new_notebook(
            cells=[new_code_cell("x", outputs=[record("s", value, "time"), record("r", value, "result")])]
        )

    node = made(2)
    keep_times(node, made(1))
    assert [output.metadata.aibook.value for output in node.cells[0].outputs] == [1, 2]
