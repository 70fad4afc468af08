import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from t2a_edge.errors import DataError
from t2a_edge.pixels import read_pixels
from train.data.pictures import (
    PixelStore,
    find_annotations,
    load_rows,
    read_image,
    readable_images,
    tell_left_out,
)


def rows_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in find_annotations(folder).read_text().splitlines()]


@pytest.fixture
def folder(data_folder, tmp_path):
    return Path(shutil.copytree(data_folder, tmp_path / "data"))


@pytest.fixture
def rewrite(folder):
    def change(number: int, **values) -> Path:
        rows = rows_of(folder)
        rows[number] = {k: v for k, v in {**rows[number], **values}.items() if v is not ...}
        text = "\n".join(json.dumps(row) for row in rows)
        find_annotations(folder).write_text(text + "\n")
        return folder

    return change


def test_rows_carry_file_split_and_adjectives(data_folder):
    rows = load_rows(data_folder)
    assert [row.split for row in rows].count("train") == 24
    assert rows[0].adjectives == ("warm", "smooth")
    assert rows[0].path.is_file()


def test_no_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"No data folder at .*nowhere"):
        load_rows(tmp_path / "nowhere")


@pytest.mark.parametrize("count", [0, 2])
def test_one_annotation_file_is_expected(tmp_path, count):
    for number in range(count):
        (tmp_path / f"{number}.jsonl").write_text("")
    with pytest.raises(DataError, match=f"has {count} .jsonl files; expected one"):
        load_rows(tmp_path)


def test_a_missing_image_names_its_row(rewrite):
    with pytest.raises(DataError, match=r"pictures.jsonl, line 3 names 'gone.png', which is miss"):
        load_rows(rewrite(2, file="gone.png"))


@pytest.mark.parametrize("adjectives", [[], "warm", ["warm", ""], ["very warm"], [3], ...])
def test_unusable_adjectives_name_their_row(rewrite, adjectives):
    with pytest.raises(DataError, match=r"line 5 has .*adjectives"):
        load_rows(rewrite(4, adjectives=adjectives))


def test_an_unknown_split_names_its_row(rewrite):
    with pytest.raises(DataError, match="line 1 has the split 'dev'; expected one of train, val"):
        load_rows(rewrite(0, split="dev"))


def test_a_broken_line_is_named(folder):
    source = find_annotations(folder)
    source.write_text(source.read_text() + "{broken\n")
    with pytest.raises(DataError, match="line 33 is not JSON"):
        load_rows(folder)


def test_a_name_that_no_file_can_have_names_its_row(rewrite):
    with pytest.raises(DataError, match=r"line 3 names 'w{59}\.\.\., which is missing"):
        load_rows(rewrite(2, file="w" * 10_000))


def test_a_folder_whose_name_is_too_long_is_none(tmp_path):
    with pytest.raises(DataError, match="No data folder at"):
        load_rows(tmp_path / ("w" * 300))


def test_a_long_cluster_is_cut_short_where_it_is_told(rewrite):
    rewrite(0, cluster="w" * 10_000)
    with pytest.raises(DataError, match="puts the cluster") as told:
        load_rows(rewrite(31, cluster="w" * 10_000))
    assert len(str(told.value)) < 300


def test_a_cluster_in_two_splits_names_both_rows(rewrite, folder):
    rewrite(0, cluster="twins")
    with pytest.raises(DataError, match=r"line 32 puts the cluster 'twins'.*line 1"):
        load_rows(rewrite(31, cluster="twins"))


def test_too_few_images_are_refused(folder):
    source = find_annotations(folder)
    source.write_text("\n".join(source.read_text().splitlines()[:24]) + "\n")
    with pytest.raises(DataError, match="0 images in the split 'val'; expected at least 4"):
        load_rows(folder)


def test_without_splits_clusters_are_dealt_out_and_never_straddle(folder):
    rows = [{k: v for k, v in row.items() if k != "split"} for row in rows_of(folder)]
    many = [{**row, "id": f"{n}-{row['id']}", "cluster": n} for n in range(20) for row in rows[:4]]
    find_annotations(folder).write_text("\n".join(json.dumps(row) for row in many))
    loaded = load_rows(folder)
    by_cluster: dict[str, set[str]] = {}
    for row in loaded:
        by_cluster.setdefault(row.cluster, set()).add(row.split)
    assert all(len(splits) == 1 for splits in by_cluster.values())
    assert {row.split for row in loaded} >= {"train", "val"}


def test_an_unreadable_image_names_its_row(folder):
    rows = load_rows(folder)
    rows[3].path.write_bytes(b"no picture")
    with pytest.raises(
        DataError, match=r"line 4 cannot be used: .*03.png is not a picture that can be read"
    ):
        read_image(rows[3], 40)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_picture_cut_short_is_left_out_and_named(folder, tmp_path, capsys):
    rows = load_rows(folder)
    cut_short(rows[3].path)
    for _ in range(2):  # decoded, and from the disk
        store = PixelStore(rows, 40, tmp_path / "cache")
        assert [row.id for row in store.rows] == [row.id for row in rows if row is not rows[3]]
        assert sum(map(len, store.by_split.values())) == 31
        np.testing.assert_array_equal(store.image(3), read_image(rows[4], 40))
        told = capsys.readouterr().err.splitlines()
        assert told[0] == "note: 1 of 32 pictures are left out:"
        assert told[1].startswith("  pictures.jsonl, line 4 cannot be used: ")
        assert len(told) == 2


def test_too_many_pictures_cut_short_are_refused_with_their_list(folder, tmp_path):
    rows = load_rows(folder)
    for row in rows[:2]:
        cut_short(row.path)
    with pytest.raises(DataError, match=r"More than 1 of 32 pictures .* line 1 .* line 2 "):
        PixelStore(rows, 40, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_one_in_a_hundred_may_be_cut_short_and_a_few_are_listed(folder, monkeypatch, capsys):
    rows = load_rows(folder)
    many = rows * 15
    cut_short(rows[0].path)  # 15 of 480
    with pytest.raises(DataError, match="More than 4 of 480"):
        readable_images(many, 8)
    monkeypatch.setattr("train.data.pictures.MOST_UNREADABLE", 0.05)
    reasons = [image for image in readable_images(many, 8) if isinstance(image, str)]
    assert len(reasons) == 15
    tell_left_out(reasons, len(many))
    told = capsys.readouterr().err.splitlines()
    assert (told[0], len(told)) == ("note: 15 of 480 pictures are left out:", 12)
    assert told[-1] == "  and 5 more"


def test_what_is_left_has_to_do(folder, tmp_path):
    rows = load_rows(folder)
    few = [row for row in rows if row.split == "train"] + [r for r in rows if r.split == "val"][:4]
    cut_short(few[-1].path)
    with pytest.raises(DataError, match="What is left has 3 images in the split 'val'"):
        PixelStore(few, 40, tmp_path / "cache")


def test_a_file_of_another_encoding_names_its_line(folder):
    source = find_annotations(folder)
    lines = source.read_bytes().splitlines()
    lines[2] = lines[2].replace(b"dark", "d\u00e4rk".encode("latin-1"))
    source.write_bytes(b"\n".join(lines))
    with pytest.raises(DataError, match=r"line 3 is not valid UTF-8 \(byte 0xe4 at .*as UTF-8"):
        load_rows(folder)
    source.write_text(json.dumps({"file": "a"}), encoding="utf-16")
    with pytest.raises(DataError, match="line 1 is not valid UTF-8"):
        load_rows(folder)


def test_a_byte_order_mark_and_line_separators_inside_text_do_no_harm(folder, rewrite):
    rewrite(0, id="a\u2028b\x85c")
    source = find_annotations(folder)
    text = source.read_text(encoding="utf-8").replace("\\u2028", "\u2028")
    source.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    rows = load_rows(folder)
    assert (len(rows), rows[0].id) == (32, "a\u2028b\x85c")


@pytest.mark.parametrize(
    "line", ["[" * 100_000, '{"id": 9' + "9" * 5000 + "}", '{"id": "\\ud800"}', "[]", "7"]
)
def test_a_line_of_odd_json_is_one_sentence(folder, line):
    source = find_annotations(folder)
    source.write_text(source.read_text() + line + "\n")
    with pytest.raises(DataError, match="line 33 is not JSON"):
        load_rows(folder)


@pytest.mark.parametrize("kind", ["16 bit", "turned", "transparent", "palette", "CMYK"])
def test_odd_pictures_are_read_as_by_the_runtime(folder, kind):
    row = load_rows(folder)[0]
    path = row.path.with_suffix(".tif" if kind == "CMYK" else ".png")
    grey = np.tile(np.linspace(0, 65535, 60).astype(np.uint16), (40, 1))
    image, how = Image.fromarray((grey >> 8).astype(np.uint8)), {}
    if kind == "16 bit":
        image = Image.fromarray(grey)
    elif kind == "turned":
        how["exif"] = Image.Exif()
        how["exif"][0x0112] = 6
    elif kind == "transparent":
        image = Image.merge("LA", (image, image))
    else:
        image = image.quantize(16) if kind == "palette" else image.convert("RGB").convert("CMYK")
    image.save(path, **how)
    found = read_image(dataclasses.replace(row, path=path), 40)
    seen = read_pixels(path)
    assert min(seen.shape[:2]) == 40
    np.testing.assert_array_equal(found, seen)
    assert found.shape == ((60, 40, 3) if kind == "turned" else (40, 60, 3))


def test_images_are_scaled_to_the_shorter_side(data_folder):
    for row in load_rows(data_folder)[:4]:
        image = read_image(row, 40)
        assert min(image.shape[:2]) == 40
        assert image.dtype == np.uint8


def test_a_copy_of_the_data_is_not_decoded_again(folder, tmp_path, monkeypatch):
    first = PixelStore(load_rows(folder), 40, tmp_path / "cache")
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy, copy_function=shutil.copyfile)  # other path, other times
    monkeypatch.setattr("train.data.pictures.read_image", None)  # a second decoding would fail
    second = PixelStore(load_rows(copy), 40, tmp_path / "cache")
    assert first.key == second.key
    for index in range(len(first.rows)):
        np.testing.assert_array_equal(first.image(index), second.image(index))


def test_a_changed_image_is_decoded_again(folder, tmp_path):
    rows = load_rows(folder)
    before = PixelStore(rows, 40, tmp_path / "cache").image(0).copy()
    Image.new("RGB", (50, 50), "black").save(rows[0].path)
    after = PixelStore(rows, 40, tmp_path / "cache").image(0)
    assert before.max() > 0
    assert after.max() == 0


def test_views_turn_adjectives_with_the_picture(data_folder, tmp_path):
    store = PixelStore(load_rows(data_folder), 40, tmp_path)
    seen = set()
    for seed in range(40):
        square, words = store.view(2, 32, np.random.default_rng(seed))  # dark, vertical
        assert square.shape == (32, 32, 3)
        across = np.abs(np.diff(square.astype(float), axis=1)).mean()
        down = np.abs(np.diff(square.astype(float), axis=0)).mean()
        assert ("vertical" in words) == (across < down)  # rows of waves: drawn along the height
        seen.add(words)
    assert seen == {("dark", "vertical"), ("dark", "horizontal")}


def test_a_store_is_named_by_its_pictures_and_adjectives(folder, rewrite, tmp_path):
    def key(side: int = 40) -> str:
        return PixelStore(load_rows(folder), side, tmp_path / "cache").key

    first = key()
    assert key() == first
    assert key(44) != first
    rewrite(0, adjectives=["cold"])
    changed = key()
    assert changed != first
    Image.new("RGB", (50, 50), "black").save(load_rows(folder)[0].path)
    assert key() not in (first, changed)


def test_a_store_tells_the_adjectives_of_a_picture(data_folder, tmp_path):
    store = PixelStore(load_rows(data_folder), 40, tmp_path)
    assert store.adjectives(2) == ("dark", "vertical")
    assert store.centre(2, 32).shape == (32, 32, 3)
