import pytest

from bench.energy import find_meter


def counter(root, name, microjoules, highest=1000):
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{highest}\n")
    return folder / "energy_uj"


def test_packages_are_added_and_their_parts_are_not(tmp_path):
    counters = [counter(tmp_path, "intel-rapl:0", 100), counter(tmp_path, "intel-rapl:1", 200)]
    part = counter(tmp_path, "intel-rapl:0:0", 50)
    meter = find_meter(tmp_path)
    before = meter.read()
    for path in (*counters, part):
        path.write_text("700\n")
    assert meter.joules_since(before) == pytest.approx(1100e-6)


def test_a_counter_may_wrap(tmp_path):
    path = counter(tmp_path, "intel-rapl:0", 990)
    meter = find_meter(tmp_path)
    before = meter.read()
    path.write_text("9\n")
    assert meter.joules_since(before) == pytest.approx(20e-6)


def test_no_counters_have_a_reason(tmp_path):
    assert "no RAPL counters" in find_meter(tmp_path)
    (tmp_path / "intel-rapl:0").mkdir()
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("1")
    assert "cannot be read (FileNotFoundError)" in find_meter(tmp_path)
