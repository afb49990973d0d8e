"""Small recordings that lie on disk exactly as the real ones do, quirks included."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pynwb import NWBHDF5IO, NWBFile, TimeSeries
from pynwb.base import ProcessingModule
from pynwb.epoch import TimeIntervals
from pynwb.misc import Units

STEP = 1 / 4.3


@dataclass
class Run:
    """What was put into one Bugeon run."""

    activity: np.ndarray  # [T, N]
    times: np.ndarray
    states: np.ndarray
    behaviour: dict[str, tuple[np.ndarray, np.ndarray]]  # stem -> (clock, samples)


@dataclass
class BugeonSession:
    """What was put into one Bugeon session."""

    mouse: str
    date: str
    types: list[str]
    unique: np.ndarray
    runs: dict[str, Run] = field(default_factory=dict)


def write_bugeon(root: Path, frames: int = 60) -> dict[str, BugeonSession]:
    """Two mice, two dates each, as of figshare 19448531."""
    random = np.random.default_rng(3)
    kinds = ["EC", "IN", "Sst-Chodl", "Vip-Reln-Itm2a", "EC", "Pvalb-Tac1", "Lamp5-Npy"]
    unique = {
        ("SB025", "2019-10-04"): [3.0, np.nan, 17.0, 40.0, np.nan, 5.0],
        ("SB025", "2019-10-07"): [np.nan, 17.0, np.nan, 3.0, 8.0, np.nan, np.nan],
        ("SB030", "2020-01-08"): [17.0, np.nan, np.nan, 1.0, 2.0, 90.0],
        ("SB030", "2020-01-10"): [np.nan] * 7,
    }
    root.mkdir(parents=True, exist_ok=True)
    (root / "genes.names.txt").write_bytes(b"Npy\r\nSst\r\nVip\r\n")
    (root / "states.names.txt").write_text("running\ndesynchronised\nsynchronised\n")
    sessions = {}
    for number, ((mouse, date), ids) in enumerate(unique.items()):
        folder = root / mouse / date
        folder.mkdir(parents=True)
        N = len(ids)
        types = [kinds[(i + number) % len(kinds)] for i in range(N)]
        # Real text files end lines either way.
        (folder / "neuron.ttype.txt").write_bytes(("\r\n" if number == 1 else "\n").join(types + [""]).encode())
        for stem, values in {
            "UniqueID": np.array(ids)[:, None],
            "depth": random.uniform(100, 300, (N, 1)),
            "plane": random.integers(1, 8, (N, 1)).astype(float),
            "stackPosCorrected": random.uniform(0, 600, (N, 3)),
            "gene_count": random.uniform(0, 5, (N, 3)),
        }.items():
            np.save(folder / f"neuron.{stem}.npy", values)
        session = sessions[f"{mouse}-{date}"] = BugeonSession(mouse, date, types, np.array(ids))
        stimuli = ["Blank/01"] if number == 3 else ["Blank/01", "Natural Scenes/01", "Drifting Gratings/01"]
        for stimulus in stimuli:
            session.runs[stimulus] = _write_run(folder / stimulus, random, frames, N, synchronised=number != 2)
        if number == 0:
            session.runs["Natural Scenes/03"] = _write_run(folder / "Natural Scenes/03", random, frames // 2, N)
            _write_run(folder / "Natural Scenes/02", random, frames, N + 1)  # cells of another day
        if number == 2:
            for stem in ("eye.size", "eye.times", "eye.xPos", "eye.yPos"):
                (folder / "Drifting Gratings/01" / f"{stem}.npy").unlink()
        (folder / "notes.txt").write_text("taken on a Friday\n")
    return sessions


def _write_run(folder: Path, random: np.random.Generator, T: int, N: int, synchronised: bool = True) -> Run:
    folder.mkdir(parents=True)
    times = 0.1 + np.arange(T) * STEP + random.uniform(-0.01, 0.01, T)
    level = np.cumsum(random.standard_normal(T))
    activity = np.abs(random.standard_normal((T, N)) * 30 + 10 * level[:, None])
    activity[:, 1] = 4.0  # a constant neuron
    states = random.integers(0, 3 if synchronised else 2, T).astype(float)
    span = T * STEP
    running_times = np.arange(0, span, STEP / 10)
    running = np.sin(running_times) + random.standard_normal(len(running_times)) * 0.1
    eye_times = np.arange(0.4, span, STEP / 7)
    size = 40 + np.cos(eye_times)
    for start in (10, 50, 100):
        size[start : start + 9] = np.nan
    behaviour = {
        "running.speed": (running_times, running),
        "eye.size": (eye_times, size),
        "eye.xPos": (eye_times, size * 0.1),
        "eye.yPos": (eye_times, size * 0.2),
    }
    arrays = {"frame.neuralActivity": activity, "frame.times": times[:, None], "frame.states": states[:, None]}
    arrays |= {stem: values[:, None] for stem, (_, values) in behaviour.items()}
    arrays |= {"running.times": running_times[:, None], "eye.times": eye_times[:, None]}
    for stem, array in arrays.items():
        np.save(folder / f"{stem}.npy", array)
    return Run(activity, times, states, behaviour)


@dataclass
class AllenSession:
    """What was put into one Allen session."""

    spikes: dict[int, np.ndarray]  # unit id -> seconds
    kept: list[int]  # ids of the units that pass the filters
    running_times: np.ndarray
    running_stops: np.ndarray
    running: np.ndarray


CHANNELS = (850122968, 850122970, 850122972, 850122974, 850122976, 850122978)


def write_allen(
    path: Path,
    session: int = 715093703,
    kind: str = "brain_observatory_1.1",
    z_copies_y: bool = True,
    seconds: float = 120.0,
) -> AllenSession:
    """One session file as the AllenSDK's writer leaves it (NWB 2.2), written with pynwb."""
    random = np.random.default_rng(session)
    file = NWBFile(
        session_description="Data and metadata for an Ecephys session",
        identifier=str(session),
        session_id=str(session),
        session_start_time=datetime(2019, 1, 19, tzinfo=UTC),
        stimulus_notes=kind,
        institution="Allen Institute for Brain Science",
    )
    device = file.create_device(name="probeA", description="Neuropixels 1.0")
    probe = file.create_electrode_group(name="probeA", description="probe", location="brain", device=device)
    for name in ("probe_vertical_position", "probe_horizontal_position", "probe_id", "local_index", "valid_data"):
        file.add_electrode_column(name=name, description=name)
    areas = ["VISp", "VISp", "CA1", "LGd", "None", "VISl"]
    for c, (channel, area) in enumerate(zip(CHANNELS, areas, strict=True)):
        y = 1000.0 + 10 * c
        file.add_electrode(
            id=channel, x=np.nan if c == 2 else 8000.0 + c, y=y, z=y if z_copies_y else 6000.0 + c, imp=np.nan,
            location=area, filtering="AP band: 500 Hz high-pass", group=probe, probe_vertical_position=20 * c,
            probe_horizontal_position=11, probe_id=810755797, local_index=c, valid_data=c != 5,
        )  # fmt: skip
    units = Units(name="units", description="sorted units", waveform_rate=30000.0, waveform_unit="microvolt",
                  resolution=-1.0)  # fmt: skip
    columns = (
        "peak_channel_id",
        "quality",
        "isi_violations",
        "amplitude_cutoff",
        "presence_ratio",
        "snr",
        "firing_rate",
    )
    for name in columns:
        units.add_column(name=name, description=name)
    metrics = [  # channel, quality, isi, cutoff, presence; what it is for
        (0, "good", 0.1, 0.01, 0.97),
        (1, "good", 0.5, 0.1, 0.9),  # on every limit: stays
        (0, "noise", 0.1, 0.01, 0.97),
        (2, "good", 0.2, 0.05, 0.99),
        (3, "good", 0.1, np.nan, 0.97),  # NaN fails
        (3, "good", 0.1, 0.01, 0.5),  # came late
        (4, "good", 0.1, 0.01, 0.97),  # outside the brain
        (5, "good", 0.1, 0.01, 0.97),  # channel without valid data
        (3, "good", 0.0, 0.0, 0.95),  # never fires in the scenes below
    ]
    spikes, kept = {}, []
    for u, (channel, quality, isi, cutoff, presence) in enumerate(metrics):
        number = 951061000 + 100 * (session % 1000) + u
        times = np.sort(random.uniform(0.5, seconds, 30 + 90 * u))
        if u == 8:
            times = times[times > seconds - 10]
        spikes[number] = times
        if u in (0, 1, 3, 8):
            kept.append(number)
        units.add_unit(
            id=number, spike_times=times, peak_channel_id=CHANNELS[channel], quality=quality, isi_violations=isi,
            amplitude_cutoff=cutoff, presence_ratio=presence, snr=2.5 + u, firing_rate=len(times) / seconds,
        )  # fmt: skip
    file.units = units
    start = np.arange(0.2, seconds, 1 / 60) + random.uniform(0, 0.002, len(np.arange(0.2, seconds, 1 / 60)))
    stop = start + 1 / 60
    moving = ~(((start > 20) & (start < 23)) | ((start > 50.0) & (start < 50.3)))  # the writer drops standing still
    start, stop = start[moving], stop[moving]
    speed = 10 + 5 * np.sin(start)
    running = ProcessingModule(name="running", description="running")
    running.add(TimeSeries(name="running_speed", data=speed, unit="cm/s", timestamps=start))
    running.add(
        TimeSeries(name="running_speed_end_times", data=np.full(len(stop), np.nan), unit="cm/s", timestamps=stop)
    )
    file.add_processing_module(running)
    _presentations(file, "spontaneous", [(1.0, 3.0), (60.0, 90.0)])
    if kind == "brain_observatory_1.1":
        scenes = [(10 + 0.25 * k, 10.25 + 0.25 * k) for k in range(80)] + [
            (40 + 0.25 * k, 40.25 + 0.25 * k) for k in range(72)
        ]
        _presentations(file, "natural_scenes", scenes)
        _presentations(file, "drifting_gratings", [(92 + 3.0 * k, 94 + 3.0 * k) for k in range(5)])
    bad = TimeIntervals(name="invalid_times", description="bad stretches")
    for a, b in ((44.0, 45.5),):
        bad.add_interval(start_time=a, stop_time=b, tags=["EcephysProbe", "810755797", "probeA"])
    file.invalid_times = bad
    optotagging = ProcessingModule(name="optotagging", description="laser")
    laser = TimeIntervals(name="optogenetic_stimulation", description="laser")
    for a in (80.0, 85.0):
        laser.add_interval(start_time=a, stop_time=a + 0.01)
    optotagging.add(laser)
    file.add_processing_module(optotagging)
    path.parent.mkdir(parents=True, exist_ok=True)
    with NWBHDF5IO(path, "w") as io:
        io.write(file)
    return AllenSession(spikes, kept, start, stop, speed)


def _presentations(file: NWBFile, name: str, rows: list[tuple[float, float]]) -> None:
    table = TimeIntervals(name=f"{name}_presentations", description=name)
    table.add_column(name="stimulus_name", description="stimulus")
    for start, stop in rows:
        table.add_interval(start_time=start, stop_time=stop, stimulus_name=name, tags=["stimulus_time_interval"])
    file.add_time_intervals(table)


def write_channels(path: Path) -> dict[int, tuple[float, float, float]]:
    """The cache's channels.csv; one channel was never registered."""
    true = {channel: (7000.0 + c, 1500.0 + c, 9000.0 + c) for c, channel in enumerate(CHANNELS)}
    lines = [
        "id,ecephys_probe_id,local_index,anterior_posterior_ccf_coordinate,dorsal_ventral_ccf_coordinate,"
        "left_right_ccf_coordinate,ecephys_structure_acronym"
    ]
    for c, (channel, position) in enumerate(true.items()):
        told = ",".join("" if c == 3 else f"{one}" for one in position)
        lines.append(f"{channel},810755797,{c},{told},VISp")
    path.write_text("\r\n".join(lines) + "\r\n")
    true[CHANNELS[3]] = (np.nan,) * 3
    return true


def write_suite2p(folder: Path, frames: int = 90) -> dict[str, np.ndarray]:
    """Two planes, the second a frame shorter; ops and stat are pickles as Suite2p writes them."""
    random = np.random.default_rng(5)
    made = {}
    for plane, (cells, T) in enumerate(((6, frames), (4, frames - 1))):
        here = folder / f"plane{plane}"
        here.mkdir(parents=True)
        for stem in ("F", "Fneu", "spks"):
            made[f"{stem}{plane}"] = random.uniform(0, 100, (cells, T)).astype(np.float32)
            np.save(here / f"{stem}.npy", made[f"{stem}{plane}"])
        iscell = np.column_stack([random.integers(0, 2, cells), random.uniform(0, 1, cells)])
        iscell[0, 0] = 1
        made[f"iscell{plane}"] = iscell
        np.save(here / "iscell.npy", iscell)
        np.save(here / "ops.npy", np.array({"fs": 6.0}, dtype=object), allow_pickle=True)
        np.save(here / "stat.npy", np.array([{"med": (1, 2)}], dtype=object), allow_pickle=True)
    return made
