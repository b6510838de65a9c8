"""The head phantom made quickly and in steps: as a plain evaluation gives it, with progress, a dialog and cancel."""

import numpy as np
import pytest
import slicer_emulation
from AMIFusionLib.phantom import HeadModel, PhantomGrid, head_phantom_steps, noise, sampling, shapes
from scipy import ndimage

GRIDS = {
    "straight": PhantomGrid.centered((9, 40, 44), (4.2, 4.4, 16.0), (3.0, 1.0, 4.0)),
    "oblique": PhantomGrid.centered((9, 40, 44), (4.2, 4.4, 16.0), (3.0, 1.0, 4.0), (12.0, -9.0)),
    "thin": PhantomGrid.centered((1, 64, 64), (0.7, 0.9, 0.5), (-30.0, 20.0, 10.0), (40.0, 70.0)),
}


def plainly_sampled(field, grid):
    """A field of the 1 mm grid read voxel by voxel, averaged over samples of at most about 1.3 mm."""
    matrix, offset = grid.ijk_to_ras[:3, :3], grid.ijk_to_ras[:3, 3]
    counts = np.maximum(np.rint(grid.spacing[::-1] / 1.3), 1).astype(int)
    total = np.zeros(grid.shape)
    for index in np.ndindex(*counts):
        shift = (np.array(index) + 0.5) / counts - 0.5
        ijk = (np.argwhere(np.ones(grid.shape)) + shift)[:, ::-1]
        at = ijk @ matrix.T + offset - shapes.LOW
        total += ndimage.map_coordinates(field, at.T[::-1], order=1, cval=0.0).reshape(grid.shape)
    return total / counts.prod()


@pytest.fixture(scope="module")
def ball():
    """A rough ball in an empty box, which reaches one side of it."""
    z, y, x = np.indices(shapes.SHAPE, np.float32, sparse=True)
    inside = (z - 60) ** 2 + (y - 110) ** 2 + (x - 95) ** 2 < 62**2
    return (inside * (500 + 100 * np.sin(x / 3) * np.cos(y / 4))).astype(np.float32)


@pytest.mark.parametrize("name", GRIDS)
def test_sampling_is_plain_interpolation(ball, name):
    steps = sampling.Sampling(GRIDS[name]).steps([ball, 2 * ball])
    with pytest.raises(StopIteration) as end:
        while True:
            next(steps)
    expected = plainly_sampled(ball, GRIDS[name])
    for factor, sampled in enumerate(end.value.value, start=1):
        np.testing.assert_allclose(sampled, factor * expected, atol=2e-3)
    assert np.count_nonzero(expected) > 100


@pytest.mark.parametrize("options", [{"mode": "wrap"}, {"truncate": 3}])
@pytest.mark.parametrize("axis", range(3))
def test_filter_is_that_of_scipy(axis, options):
    field = np.random.default_rng(0).standard_normal((70, 80, 90), np.float32)
    filtered = noise.along(field, noise.filter_matrix(field.shape[axis], 2.0, **options), axis)
    np.testing.assert_allclose(filtered, ndimage.gaussian_filter1d(field, 2.0, axis, **options), atol=1e-6)


@pytest.mark.parametrize("length", [2.2, 9])
def test_noise_is_plain_filtered_and_interpolated_randomness(length):
    box = (slice(10, 30), slice(40, 90), slice(3, 70))
    steps = noise.noise_steps(np.random.default_rng(5), length, box, shapes.SHAPE)
    with pytest.raises(StopIteration) as end:
        while True:
            next(steps)
    step = length / 2
    counts = [int(np.ceil(n / step)) + 4 for n in shapes.SHAPE]
    field = np.random.default_rng(5).standard_normal(counts, dtype=np.float32)
    field = ndimage.gaussian_filter(field, 2.0, mode="wrap")
    at = np.meshgrid(*(1.5 + np.arange(s.start, s.stop) / step for s in box), indexing="ij")
    expected = ndimage.map_coordinates(field / field.std(), at, order=1)
    np.testing.assert_allclose(end.value.value.read(box), expected, atol=1e-5)


def test_slabs_paint_as_the_whole_grid_would():
    """Two soft ellipsoids and a tube, one hiding parts of another, against one evaluation of the whole."""
    space = space_without_warp()
    painting, expected = shapes.Painting(), np.zeros(shapes.SHAPE, np.float32)
    pieces = (
        ("fat", lambda part: part.ellipsoid((5, 10, 0), (40, 60, 30), lean=0.2)),
        ("csf", lambda part: part.tube([(0, 0, -20, 12), (30, 20, 25, 5)])),
        ("nerve", lambda part: part.ellipsoid((30, 40, 10), (20, 9, 25))),
    )
    values = {"fat": 100.0, "csf": 20.0, "nerve": None}
    whole = space.region(shapes.box_between())
    for tissue, piece in pieces:
        if values[tissue] is not None:
            coverage = np.rint(np.clip(0.5 - piece(whole) / 1.2, 0, 1) * 255) / 255
            expected += (values[tissue] - expected) * coverage
    for slab in shapes.slabs_of(shapes.box_between()):
        region = space.region(slab)
        for tissue, piece in pieces:
            painting.paint(tissue, region, piece(region))
        np.testing.assert_allclose(painting.composed(slab, [values], [0.0])[0], expected[slab], atol=1e-4)
    assert (expected > 50).sum() > 10_000


def space_without_warp():
    flat = noise.Noise(np.zeros((5, *shapes.SHAPE[1:]), np.float32), (0, 0, 0), 150.0)
    return shapes.Space(np.random.default_rng(0), [flat] * 3)


def test_steps_tell_progress_and_give_what_one_call_gives(head_model):
    steps, fractions = head_phantom_steps(0, ("PET",)), []
    with pytest.raises(StopIteration) as end:
        while True:
            fractions.append(next(steps))
    assert fractions == sorted(fractions) and 0 < fractions[0] < 0.05 and fractions[-1] == pytest.approx(1)
    assert max(np.diff(fractions)) < 0.1, "a bar should move evenly"
    np.testing.assert_array_equal(end.value.value["PET"].array, HeadModel(0).sample("PET").array)


def test_unknown_name_is_refused_before_any_work():
    with pytest.raises(ValueError, match="'SPECT'"):
        next(head_phantom_steps(0, ("SPECT",)))


class TestDialog:
    """Opening the phantom from Sample Data."""

    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch):
        """A phantom of three steps."""
        from AMIFusionLib.phantom import head

        small = PhantomGrid.centered((4, 8, 8), (20.0, 20.0, 30.0))

        def steps(*_):
            for fraction in (0.2, 0.5, 1.0):
                self.seen.append(fraction)
                self.meanwhile()
                yield fraction
            return {name: head._volume(head.MODALITIES[name], np.zeros(small.shape, np.int16), small) for name in "AB"}

        self.seen, self.meanwhile = [], lambda: None
        monkeypatch.setattr(head, "head_phantom_steps", steps)
        monkeypatch.setitem(head.MODALITIES, "A", head.MODALITIES["CT"])
        monkeypatch.setitem(head.MODALITIES, "B", head.MODALITIES["MRT1"])

    def dialogs(self, slicer):
        """What is open."""
        import qt

        return (
            [w for w in slicer.app.topLevelWidgets() if w.inherits("QProgressDialog") and w.isVisible()] if qt else []
        )

    def test_progress_is_shown_and_the_dialog_closed(self, module, scene):
        slicer, shown = slicer_emulation.install(), []
        self.meanwhile = lambda: shown.append([(dialog.value, dialog.labelText) for dialog in self.dialogs(slicer)])
        nodes = module.loadHeadPhantom()
        assert [node.GetName() for node in nodes] == ["PhantomCT", "PhantomMRT1"]
        assert [value for dialogs in shown for value, _ in dialogs][-1] == 50 and "phantom" in shown[-1][0][1]
        assert not self.dialogs(slicer)

    def test_cancel_stops_at_once_and_leaves_no_node(self, module, scene):
        slicer, count = slicer_emulation.install(), scene.GetNumberOfNodes()
        self.meanwhile = lambda: [dialog.cancel() for dialog in self.dialogs(slicer)]
        assert module.loadHeadPhantom() == []
        assert len(self.seen) < 3 and scene.GetNumberOfNodes() == count
        assert not self.dialogs(slicer)

    @pytest.mark.parametrize("reason", ["testing", "no main window"])
    def test_no_dialog_without_anybody_to_see_it(self, module, scene, monkeypatch, reason):
        slicer = slicer_emulation.install()
        if reason == "testing":
            slicer_emulation.set_testing(True)
        else:
            monkeypatch.setattr(slicer.util, "mainWindow", lambda: None)
        monkeypatch.setattr(slicer.util, "createProgressDialog", lambda **_: pytest.fail("a dialog"))
        assert len(module.loadHeadPhantom()) == 2
