"""The page in the package: how it is packed, and how its files are served and kept."""

import gzip
import json

import numpy as np
import pytest

pytest.importorskip("fastapi")

from t2a_edge.bundle import SHIPPED
from t2a_edge.errors import OptionError
from t2a_edge.server import page as pages
from t2a_edge.server import run
from t2a_edge.server.page import PACKED, packaged_page
from t2a_edge.server.settings import NO_PAGE, Settings
from web.package import package_page

SCRIPT = "assets/index-Cxuc3Wkq.js"


@pytest.fixture
def built(engine, tmp_path):
    """A folder as the page's build makes it."""
    folder = tmp_path / "dist"
    (folder / "models").mkdir(parents=True)
    (folder / "assets").mkdir()
    (folder / "index.html").write_text("<title>art</title>" * 100)
    (folder / "offline.js").write_text("// short")
    (folder / SCRIPT).write_text("draw();\n" * 1000)
    noise = np.random.default_rng(0).bytes(5000)
    (folder / "assets/noise-AAAAAAAA.bin").write_bytes(noise)
    (folder / "models/text.onnx").write_bytes((SHIPPED / "text.onnx").read_bytes())
    about = {"bundle": engine.bundle.bundle_hash}
    (folder / "models/manifest.json").write_text(json.dumps(about))
    return folder


def files(folder):
    return {f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file()}


@pytest.fixture
def packaged(built, tmp_path):
    folder = tmp_path / "page"
    (folder / "old").mkdir(parents=True)
    assert package_page(built, folder) == sum(
        (folder / name).stat().st_size for name in files(folder)
    )
    return folder


def test_engines_are_the_bundles_and_what_gzip_shrinks_is_in_gzip(packaged):
    assert files(packaged) == {
        "index.html", "offline.js", f"{SCRIPT}.gz", "assets/noise-AAAAAAAA.bin",
        "models/manifest.json", PACKED,
    }  # fmt: skip
    assert not (packaged / "old").exists()


def test_packing_twice_gives_the_same_bytes(built, packaged, tmp_path):
    package_page(built, tmp_path / "again")
    for name in files(packaged):
        assert (tmp_path / "again" / name).read_bytes() == (packaged / name).read_bytes()


def test_every_file_is_served_as_it_was_built(built, packaged, serving):
    with serving(page=packaged) as live:
        for name in files(built):
            answers = [
                live.client.get(f"/{name}", headers={"Accept-Encoding": coding})
                for coding in ("gzip", "identity", "gzip;q=0", "")
            ]
            # httpx unpacks what it is told is packed
            assert {answer.content for answer in answers} == {(built / name).read_bytes()}
            codings = [answer.headers.get("content-encoding") for answer in answers]
            assert codings == ["gzip" if name == SCRIPT else None, None, None, None]
            lengths = [int(answer.headers["content-length"]) for answer in answers]
            assert lengths[1:] == [(built / name).stat().st_size] * 3
            for_ever = "immutable" in answers[0].headers["cache-control"]
            assert for_ever == name.startswith("assets/")
        script = live.client.get(f"/{SCRIPT}")
        assert script.headers["content-type"].startswith("text/javascript")
        assert script.headers["vary"] == "Accept-Encoding"
        assert live.client.get("/").content == (built / "index.html").read_bytes()
        assert live.client.get("/models/painter.onnx").status_code == 404


@pytest.mark.parametrize("name", ["", SCRIPT, "models/text.onnx"])
@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_what_a_browser_has_is_not_sent_again(packaged, serving, name, coding):
    with serving(page=packaged) as live:
        accepted = {"Accept-Encoding": coding}
        first = live.client.get(f"/{name}", headers=accepted)
        tag = first.headers["etag"]
        again = live.client.get(f"/{name}", headers={**accepted, "If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers["cache-control"] == first.headers["cache-control"]
        changed = live.client.get(f"/{name}", headers={**accepted, "If-None-Match": '"other"'})
        assert changed.content == first.content
        head = live.client.head(f"/{name}", headers=accepted)
        assert (head.content, head.headers["etag"]) == (b"", tag)


def test_a_packed_and_an_unpacked_file_have_tags_of_their_own(packaged, serving):
    with serving(page=packaged) as live:
        tags = {
            live.client.get(f"/{SCRIPT}", headers={"Accept-Encoding": coding}).headers["etag"]
            for coding in ("gzip", "identity")
        }
    assert len(tags) == 2


def test_the_packaged_page_is_served_for_its_own_bundle_alone(packaged, monkeypatch, engine):
    monkeypatch.setattr(pages, "PACKAGED", packaged)
    assert packaged_page(engine.bundle.bundle_hash) == packaged
    assert packaged_page("0" * 16) is None
    (packaged / PACKED).unlink()
    assert packaged_page(engine.bundle.bundle_hash) is None


@pytest.mark.parametrize(
    ("asked", "served"), [(None, "packaged"), (NO_PAGE, "none"), ("own", "own")]
)
def test_which_page_a_server_has(monkeypatch, tmp_path, asked, served):
    (tmp_path / "index.html").touch()
    (tmp_path / "packaged").mkdir()
    (tmp_path / "packaged" / "index.html").touch()
    made = []

    def make_server(_engine, settings, _worker):
        made.append(settings.page)
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "make_server", make_server)
    monkeypatch.setattr(run, "packaged_page", lambda _: tmp_path / "packaged")
    monkeypatch.setattr(run, "log_to_stderr", lambda **_: None)
    page = tmp_path if asked == "own" else asked
    with pytest.raises(KeyboardInterrupt):
        run.run_server(Settings(port=0, page=page))
    wanted = {"packaged": tmp_path / "packaged", "none": NO_PAGE, "own": tmp_path}
    assert made == [wanted[served]]


def test_without_a_page_the_root_says_so(live):
    assert "shows no page" in live.client.get("/").json()["detail"]
    assert "nothing at this path" in live.client.get("/art").json()["detail"]


def test_a_page_that_is_not_built_or_of_another_model_is_not_packed(built, tmp_path):
    target = tmp_path / "page"
    with pytest.raises(OptionError, match="no built page; run: make web-build"):
        package_page(tmp_path / "nowhere", target)
    (built / "models/manifest.json").write_text('{"bundle": "0123456789abcdef"}')
    with pytest.raises(OptionError, match="draws with the model 0123456789abcdef"):
        package_page(built, target)
    assert not target.exists()


@pytest.mark.skipif(not (pages.PACKAGED / PACKED).is_file(), reason="needs `make page`")
def test_the_packaged_page_here_is_of_the_shipped_bundle(engine):
    assert packaged_page(engine.bundle.bundle_hash) == pages.PACKAGED
    for file in pages.PACKAGED.rglob("*.gz"):
        assert gzip.decompress(file.read_bytes())
