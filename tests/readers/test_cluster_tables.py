import numpy as np
import pytest

from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.readers.cluster_tables import cluster_columns

IDS = np.array([0, 3, 10])


def test_columns_are_joined_by_the_id_from_any_separator(tmp_path):
    (tmp_path / "cluster_group.csv").write_bytes(b"cluster_id\tgroup\r\n10\tgood\r\n\r\n3\tmua\r\n77\tnoise\r\n")
    (tmp_path / "cluster_Amplitude.tsv").write_bytes(b"\xef\xbb\xbfcluster_id\tAmplitude\n0\t1.5\n3\t\n10\t-2e1\n")
    (tmp_path / "metrics.csv").write_text(",cluster_id,snr,note\n0,3.0,4,a;b\n1,0,5,\n2,10,6,x\n")
    (tmp_path / "semicolons.csv").write_text('id;"my mark"\n0;"b ""2"""\n')
    (tmp_path / "empty.tsv").write_text("")
    columns, notes = cluster_columns(tmp_path, IDS)
    assert columns["group"].tolist() == ["", "mua", "good"]
    np.testing.assert_array_equal(columns["Amplitude"], [1.5, np.nan, -20])
    assert columns["snr"].tolist() == [5, 4, 6]
    assert columns["snr"].dtype == np.int64
    assert columns["note"].tolist() == ["", "a;b", "x"]
    assert columns["my mark"].tolist() == ['b "2"', "", ""]
    assert notes == []
    every, _ = cluster_columns(tmp_path, None)
    assert every["group"].tolist() == ["", "mua", "good", "noise"]


def test_decisions_by_hand_come_first_and_labels_of_kilosort_last(tmp_path):
    (tmp_path / "cluster_KSLabel.tsv").write_text("cluster_id\tKSLabel\n0\tgood\n10\tmua\n")
    columns, notes = cluster_columns(tmp_path, IDS)
    assert columns["group"].tolist() == ["good", "", "mua"]
    assert "no cluster was sorted by hand" in notes[0]
    (tmp_path / "cluster_info.tsv").write_text("cluster_id\tgroup\n0\tmua\n3\tgood\n")
    assert cluster_columns(tmp_path, IDS)[0]["group"].tolist() == ["mua", "good", ""]
    (tmp_path / "cluster_group.tsv").write_text("cluster_id\tgroup\n0\tnoise\n")
    with pytest.warns(DataWarning, match="another group for 1 clusters"):
        assert cluster_columns(tmp_path, IDS)[0]["group"].tolist() == ["noise", "good", ""]


def test_a_folder_without_tables_has_no_columns(tmp_path):
    assert cluster_columns(tmp_path, IDS) == ({}, [])


def test_a_table_of_groups_without_rows_decides_nothing(tmp_path):
    (tmp_path / "cluster_group.tsv").write_text("cluster_id\tgroup\n")
    (tmp_path / "cluster_KSLabel.tsv").write_text("cluster_id\tKSLabel\n3\tgood\n")
    columns, notes = cluster_columns(tmp_path, IDS)
    assert columns["group"].tolist() == ["", "good", ""]
    assert "no cluster was sorted by hand" in notes[0]


def test_tables_of_excel_and_names_in_capitals(tmp_path):
    (tmp_path / "cluster_group.tsv").write_bytes("Cluster_ID\tGroup\n3\tnoise\n".encode("utf-16"))
    columns, _ = cluster_columns(tmp_path, np.array([3, 4]))
    assert columns["group"].tolist() == ["noise", ""]
    (tmp_path / "cluster_group.tsv").write_text("unit\tgroup\n3\tnoise\n")
    with pytest.warns(DataWarning, match=r"no column 'cluster_id' \(got unit, group\), and is left out"):
        assert cluster_columns(tmp_path, np.array([3]))[0] == {}
