"""The balance of the sources: nothing changes in the middle, and each source shows more as the slider moves to it."""

import numpy as np
import pytest
from AMIFusionLib.authorization.authorize import authorize
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH, MODEL_PATH
from AMIFusionLib.fusion.balance import balance_gains
from AMIFusionLib.fusion.engine import FusionEngine
from AMIFusionLib.fusion.network import build_network
from AMIFusionLib.fusion_job import FusionJob, FusionOptions
from AMIFusionLib.phantom.head import PhantomGrid
from AMIFusionLib.volumes.color import faded_chroma
from AMIFusionLib.volumes.intensity import IntensityWindow
from fusion_criteria import LIMITS

SIZE = 256


@pytest.mark.parametrize(
    ("balance", "gains"),
    [(0, (1, 0)), (25, (1, 0.5)), (50, (1, 1)), (75, (0.5, 1)), (100, (0, 1)), (90.0, (0.2, 1))],
)
def test_gains(balance, gains):
    assert balance_gains(balance) == pytest.approx(gains)


@pytest.mark.parametrize("balance", [-1, 100.5, float("nan"), float("inf")])
def test_a_balance_that_does_not_exist_is_refused(balance):
    with pytest.raises(ValueError, match="0 to 100"):
        balance_gains(balance)


@pytest.fixture(scope="module")
def slices(head_model):
    """MR (T2) and CT of a slice through the head, (1, 256, 256) in 0..1."""
    grid = PhantomGrid.centered((1, SIZE, SIZE), (230 / SIZE, 230 / SIZE, 3.0), (0.0, 0.0, 25.0))
    volumes = [head_model.sample(name, grid) for name in ("MRT2", "CT")]
    return [IntensityWindow(*volume.window).normalize(volume.array) for volume in volumes]


@pytest.fixture(scope="module", params=["licensed", "unlicensed"])
def engine(request):
    """The bundled model's network, clean or marking."""
    model = read_model(MODEL_PATH)
    text = EVALUATION_LICENSE_PATH.read_text(encoding="utf-8") if request.param == "licensed" else None
    description = model.description
    parameters = authorize(model, text).parameters
    network = build_network(description.architecture, description.hyperparameters, parameters)
    return request.param, FusionEngine(network, "cpu")


def fused(engine, slices, **options):
    """One slice, fused."""
    result = []
    for _ in engine.fuse(lambda *_: slices, lambda _start, image: result.append(image), (1, SIZE, SIZE), **options):
        pass
    return result[0]


def test_the_middle_changes_nothing(engine, slices):
    before = [source.copy() for source in slices]
    plain = fused(engine[1], slices)
    np.testing.assert_array_equal(fused(engine[1], slices, gains=balance_gains(50)), plain)
    assert (fused(engine[1], slices, gains=balance_gains(70)) != plain).mean() > 0.1
    for source, array in zip(slices, before):
        np.testing.assert_array_equal(source, array)


def test_each_source_shows_more_toward_its_end(engine, slices):
    kind, engine = engine
    results = [fused(engine, slices, gains=balance_gains(balance)) for balance in (0, 25, 50, 75, 100)]
    likeness = [[np.corrcoef(result.ravel(), source.ravel())[0, 1] for result in results] for source in slices]
    # What a mark is drawn over is like neither source, but still more like the one than like the other.
    assert np.all(np.diff(np.subtract(*likeness)) < 0)
    if kind == "licensed":
        assert np.all(np.diff(likeness[0]) < 0) and np.all(np.diff(likeness[1]) > 0)
        # At an end the other source is empty, for which the robustness tests have a limit.
        errors = [float(np.abs(results[index] - source).mean()) for index, source in zip((0, -1), slices)]
        assert max(errors) <= LIMITS["empty source"], errors


def test_colors_fade_with_their_source():
    generator = np.random.default_rng(0)
    first, second = generator.random((2, 1, 4, 4, 2), dtype=np.float32)
    assert faded_chroma(None, None, (1, 0.5)) is None
    assert faded_chroma(first, None, (1, 0.3)) is first and faded_chroma(None, second, (0.3, 1)) is second
    np.testing.assert_allclose(faded_chroma(None, second, (1, 0.25)), 0.25 * second)
    np.testing.assert_allclose(faded_chroma(first, None, (0.25, 1)), 0.25 * first)
    # Of two sources in color the second volume's colors win, as long as it shows in full.
    assert faded_chroma(first, second, (0.3, 1)) is second
    np.testing.assert_allclose(faded_chroma(first, second, (1, 0)), first)
    np.testing.assert_allclose(faded_chroma(first, second, (1, 0.5)), (first + second) / 2)


@pytest.fixture
def pair(add_volume):
    """A gray volume and one in color."""
    generator = np.random.default_rng(0)
    gray = add_volume((1000 * generator.random((3, 16, 16))).astype(np.int16), "MR", window=(0, 1000))
    return gray, add_volume((255 * generator.random((3, 16, 16, 3))).astype(np.uint8), "PET")


def test_a_job_fuses_with_its_balance_and_says_so(pair, model, slicer):
    def run(**options):
        return FusionJob(*pair, model, authorize(model, None), FusionOptions(**options)).run()

    def colorfulness(node):
        array = slicer.util.arrayFromVolume(node).astype(int)
        return (array.max(axis=-1) - array.min(axis=-1)).mean()

    plain, middle, reference, second = (run(), run(balance=50), run(balance=0), run(balance=97.5))
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(plain), slicer.util.arrayFromVolume(middle))
    said = [node.GetAttribute("AMIFusion.Balance") for node in (plain, middle, reference, second)]
    assert said == ["50", "50", "0", "97.5"]
    assert colorfulness(reference) == 0 and colorfulness(run(balance=20)) < colorfulness(second)


def test_a_job_refuses_a_wrong_balance_before_any_work(pair, model):
    with pytest.raises(ValueError, match="balance of 101"):
        FusionJob(*pair, model, authorize(model, None), FusionOptions(balance=101))
