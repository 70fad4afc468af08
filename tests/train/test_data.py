import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from t2a_edge.errors import DataError
from train.data import PixelStore, find_annotations, load_rows, read_image


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
    with pytest.raises(DataError, match=r"line 4: 03.png cannot be read as an image"):
        read_image(rows[3], 40)


def test_images_are_scaled_to_the_shorter_side(data_folder):
    for row in load_rows(data_folder)[:4]:
        image = read_image(row, 40)
        assert min(image.shape[:2]) == 40
        assert image.dtype == np.uint8


def test_a_copy_of_the_data_is_not_decoded_again(folder, tmp_path, monkeypatch):
    first = PixelStore(load_rows(folder), 40, tmp_path / "cache")
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy, copy_function=shutil.copyfile)  # other path, other times
    monkeypatch.setattr("train.data.read_image", None)  # a second decoding would fail
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
