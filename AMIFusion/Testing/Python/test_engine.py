"""The engine: the same voxels in any number of steps, recovery from lack of memory, clean ends."""

import itertools

import numpy as np
import pytest
import torch
from AMIFusionLib.fusion import engine as engine_module
from AMIFusionLib.fusion.devices import (
    DeviceUnavailableError,
    available_devices,
    describe_device,
    is_faster_in_bfloat16,
    select_device,
)
from AMIFusionLib.fusion.engine import FusionEngine, SliceSizeError
from AMIFusionLib.fusion.network import TwoScaleNetwork, build_network, mark_shift
from conftest import random_parameters

HYPERPARAMETERS = {"channels": 4, "blocks": 1, "scale": 2, "mark_size": 32}
SPACING, SENSES = (2.0, 1.0, 0.9), (-1, 1)


def new_network():
    """An untrained network with a mark."""
    parameters = random_parameters(5)
    parameters["mark"] = np.random.default_rng(1).random(parameters["mark"].shape, dtype=np.float32)
    return build_network("amif-residual-2", HYPERPARAMETERS, parameters)


class Volumes:
    """Random sources and a place for the result."""

    def __init__(self, shape=(23, 40, 52)):
        generator = np.random.default_rng(0)
        self.shape = shape
        self.sources = [generator.random(shape, dtype=np.float32) for _ in range(2)]
        self.result = np.full(shape, np.nan, np.float32)
        self.writes = []

    def read(self, start, stop):
        """Slices of both sources."""
        return tuple(source[start:stop].copy() for source in self.sources)

    def write(self, start, fused):
        """Keep fused slices."""
        self.writes.append(len(fused))
        self.result[start : start + len(fused)] = fused

    def fuse(self, engine):
        """Fuse all; gives the result and what was yielded."""
        return list(engine.fuse(self.read, self.write, self.shape, SPACING, SENSES))


@pytest.mark.parametrize("step_seconds", [1e-9, 0.01, 1e9])
def test_one_step_or_many_give_the_same_voxels(step_seconds):
    reference, volumes = Volumes(), Volumes()
    reference.fuse(FusionEngine(new_network(), "cpu", step_seconds=1e-9))
    done = volumes.fuse(FusionEngine(new_network(), "cpu", step_seconds=step_seconds))
    np.testing.assert_array_equal(volumes.result, reference.result)
    assert np.isfinite(volumes.result).all()
    assert done[-1] == 23 and done == sorted(done)
    if step_seconds < 1e-6:
        assert volumes.writes == [1] * 23
        assert len(done) == 3 * 23, "each slice was paused before and after the only block of layers"
    elif step_seconds > 1:
        assert volumes.writes == [1, 22] and done == [1, 23]


def test_result_is_what_the_network_gives():
    volumes, network = Volumes((3, 16, 24)), new_network()
    volumes.fuse(FusionEngine(new_network(), "cpu"))
    with torch.inference_mode():
        for index in range(3):
            images = (torch.from_numpy(source[index])[None, None] for source in volumes.sources)
            field = network.mark_field(16, 24, SPACING[1:], mark_shift(index, volumes.shape, SPACING, SENSES))
            np.testing.assert_array_equal(volumes.result[index], network(*images, field)[0, 0].numpy())
    assert (network.mark_field(16, 24, SPACING[1:]) != field).any()


def test_closed_generator_stops_work():
    volumes = Volumes()
    steps = FusionEngine(new_network(), "cpu", step_seconds=1e-9).fuse(volumes.read, volumes.write, volumes.shape)
    assert next(steps) == 0, "within the first slice"
    while next(steps) < 1:
        pass
    assert next(steps) == 1, "within the second"
    steps.close()
    assert volumes.writes == [1]
    assert np.isnan(volumes.result[1:]).all()


def test_pauses_leave_torch_as_they_found_it_and_are_not_work(monkeypatch):
    """Whoever works in a pause may need gradients, and however long it takes, slices are not slower for it."""
    moments = itertools.count(step=0.001)
    paused = 0
    monkeypatch.setattr(engine_module.time, "perf_counter", lambda: next(moments) + 100 * paused)
    volumes = Volumes((6, 64, 64))
    engine = FusionEngine(new_network(), "cpu", step_seconds=1e-9)
    for _done in engine.fuse(volumes.read, volumes.write, volumes.shape):
        assert not torch.is_inference_mode_enabled()
        paused += 1
    assert paused > 6 and 0 < engine._seconds_per_slice < 1


@pytest.mark.parametrize("shape", [(5, 7, 40), (5, 40, 7), (1, 1, 1)])
def test_slices_too_small_are_refused_before_any_work(shape):
    volumes = Volumes(shape)
    with pytest.raises(SliceSizeError, match="another slice plane"):
        volumes.fuse(FusionEngine(new_network(), "cpu"))
    assert volumes.writes == []


class CrampedGpu:
    """A stand-in for a GPU that holds some slices at once: the engine's own device, made to fail above that."""

    def __init__(self, monkeypatch, engine, capacity):
        self.batches = []
        run = engine._run_network

        def cramped(first, second, mark):
            self.batches.append((engine.device.type, len(first)))
            if engine.device.type == "meta" and len(first) > capacity:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
            real, engine.device = engine.device, torch.device("cpu")
            try:
                return run(first, second, mark)
            finally:
                engine.device = real

        monkeypatch.setattr(engine, "_run_network", cramped)
        monkeypatch.setattr(engine_module, "free_memory", lambda device: 10**9)
        engine.device = torch.device("meta")


@pytest.mark.parametrize(("capacity", "ends_on"), [(5, "meta"), (1, "meta"), (0, "cpu")])
def test_lack_of_memory_halves_the_batch_then_leaves_the_gpu(monkeypatch, capacity, ends_on):
    expected, volumes = Volumes(), Volumes()
    expected.fuse(FusionEngine(new_network(), "cpu"))
    engine = FusionEngine(new_network(), "cpu", step_seconds=1e9)
    gpu = CrampedGpu(monkeypatch, engine, capacity)
    volumes.fuse(engine)
    np.testing.assert_allclose(volumes.result, expected.result, atol=1e-6)
    assert engine.device.type == ends_on
    sizes = [size for device, size in gpu.batches if device == "meta"]
    if capacity == 5:
        assert max(sizes) == 22 and sizes[-1] <= 5


def test_gpu_without_room_for_the_network_itself(monkeypatch):
    network, moves = new_network(), []

    def full(device):
        moves.append(str(device))
        if str(device) != "cpu":
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return network

    monkeypatch.setattr(network, "to", full)
    monkeypatch.setattr(engine_module, "select_device", lambda name: torch.device("cuda:0"))
    engine, volumes = FusionEngine(network), Volumes()
    assert engine.device.type == "cpu" and moves[-1] == "cpu"
    volumes.fuse(engine)
    assert np.isfinite(volumes.result).all()


def test_other_errors_are_not_taken_for_lack_of_memory(monkeypatch):
    engine, volumes = FusionEngine(new_network(), "cpu"), Volumes()

    def broken(*_):
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(engine, "_run_in_steps", broken)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        volumes.fuse(engine)


def small_two_scale_network():
    """A network that has layers for bfloat16."""
    return TwoScaleNetwork(channels=4, blocks=1, fine_channels=4, mark_size=32).eval()


def lowered_layers(network):
    """Names of the layers in bfloat16."""
    return {name.split(".")[0] for name, value in network.named_parameters() if value.dtype == torch.bfloat16}


@pytest.mark.parametrize("is_faster", [True, False])
def test_precision_is_lowered_where_that_is_faster_only(monkeypatch, is_faster):
    asked = []
    monkeypatch.setattr(engine_module, "is_faster_in_bfloat16", lambda device: asked.append(device) or is_faster)
    network, volumes = small_two_scale_network(), Volumes((2, 16, 24))
    volumes.fuse(FusionEngine(network, "cpu"))
    assert asked == [torch.device("cpu")] and np.isfinite(volumes.result).all()
    assert lowered_layers(network) == ({"body", "up"} if is_faster else set())


def test_precision_is_lowered_when_the_cpu_takes_over_from_a_gpu(monkeypatch):
    monkeypatch.setattr(engine_module, "is_faster_in_bfloat16", lambda device: device.type == "cpu" and moved)
    network, volumes, moved = small_two_scale_network(), Volumes((5, 16, 24)), []
    engine = FusionEngine(network, "cpu", step_seconds=1e9)
    assert not lowered_layers(network)
    moved.append(True)
    CrampedGpu(monkeypatch, engine, capacity=0)
    volumes.fuse(engine)
    assert lowered_layers(network) == {"body", "up"} and np.isfinite(volumes.result).all()


class OnTheGpu:
    """Marks on a stand-in for a GPU: of use on the CPU only after they were moved there."""

    def __init__(self, marks):
        self._marks = marks

    def __getitem__(self, index):
        return OnTheGpu(self._marks[index])

    def to(self, device):
        """Moved."""
        assert device == torch.device("cpu")
        return self._marks


def test_a_step_that_leaves_the_gpu_takes_its_marks_along(monkeypatch):
    """The first of several slices finds that there is no room; the others go on with the CPU."""
    expected, volumes = Volumes(), Volumes()
    expected.fuse(FusionEngine(new_network(), "cpu"))
    engine = FusionEngine(new_network(), "cpu", step_seconds=1e9)
    make = engine._marks
    monkeypatch.setattr(engine, "_marks", lambda *arguments: OnTheGpu(make(*arguments)))
    monkeypatch.setattr(engine, "_slices_in_a_step", lambda: 8)
    gpu = CrampedGpu(monkeypatch, engine, capacity=0)
    volumes.fuse(engine)
    assert gpu.batches[-1] == ("cpu", 1) and volumes.writes == [8, 8, 7]
    np.testing.assert_allclose(volumes.result, expected.result, atol=1e-6)


def test_a_blank_mark_is_not_sampled(monkeypatch):
    network, volumes = small_two_scale_network(), Volumes((3, 16, 24))
    monkeypatch.setattr(network, "mark_field", lambda *_: pytest.fail("sampled"))
    volumes.fuse(FusionEngine(network, "cpu"))
    assert np.isfinite(volumes.result).all()


@pytest.mark.parametrize(
    ("told", "device", "may_use", "is_faster"),
    [
        ({"amx_bf16": True, "avx512_bf16": True}, "cpu", True, True),
        ({"amx_bf16": True, "avx512_bf16": True}, "cpu", None, True),
        ({"amx_bf16": True, "avx512_bf16": True}, "cpu", False, False),
        ({"amx_bf16": True, "avx512_bf16": True}, "cuda:0", True, False),
        ({"amx_bf16": False, "avx512_bf16": True}, "cpu", True, False),
        ({"bf16": True}, "cpu", True, False),
        (None, "cpu", True, False),
    ],
)
def test_only_processors_with_matrix_units_are_faster_in_bfloat16(monkeypatch, told, device, may_use, is_faster):
    for name, answer in (("get_capabilities", told), ("_init_amx", may_use)):
        monkeypatch.setattr(torch.cpu, name, lambda answer=answer: answer, raising=False)
        if answer is None:
            monkeypatch.delattr(torch.cpu, name)
    assert is_faster_in_bfloat16(torch.device(device)) is is_faster


def test_devices_are_described_for_people(monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 4_000_000}[name])
    assert describe_device("cpu") == "CPU, 16 GB" and describe_device("mps") == "Apple GPU, 16 GB"
    monkeypatch.delattr("os.sysconf")
    assert describe_device("cpu") == "CPU"


def test_devices():
    devices = available_devices()
    assert devices[-1] == "cpu"
    assert str(select_device()) == devices[0]
    with pytest.raises(DeviceUnavailableError, match="Choose one of: auto,"):
        select_device("cuda:77")
