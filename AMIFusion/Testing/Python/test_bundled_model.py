"""The bundled model: marked without a license, clean with one, on the phantom and on real volumes."""

import numpy as np
import pytest
from AMIFusionLib.authorization.authorize import Authorization, authorize
from AMIFusionLib.authorization.license import License, check_license
from AMIFusionLib.authorization.model_file import read_model
from AMIFusionLib.bundled import EVALUATION_LICENSE_PATH, MODEL_PATH
from AMIFusionLib.fusion import engine
from AMIFusionLib.fusion.network import build_network, mark_shift
from AMIFusionLib.fusion_job import FusionJob, FusionOptions
from AMIFusionLib.phantom.modalities import MODALITIES, PhantomGrid
from AMIFusionLib.phantom.nodes import add_phantom_volume
from AMIFusionLib.volumes.color import luma
from AMIFusionLib.volumes.files import load_volume
from AMIFusionLib.volumes.planes import slice_layout
from test_checks_and_result import matrix_of

REAL_CASES = {
    "ct-mri 34": ("ct-mri/34_mri.nrrd", "ct-mri/34_ct.nrrd"),
    "pet-mri 25": ("pet-mri/25_mri.nrrd", "pet-mri/25_pet.nrrd"),
    "spect-mri 40": ("spect-mri/40_mri.nrrd", "spect-mri/40_spect.nrrd"),
}


MAPS = {"amif-residual-2": 2, "amif-two-scale-1": 4}
"""What each architecture's head predicts for a pixel."""


@pytest.fixture(scope="session")
def bundled():
    """The bundled model and its public evaluation license."""
    return read_model(MODEL_PATH), EVALUATION_LICENSE_PATH.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def phantom_volumes(head_model):
    """MR (T2), CT and PET of the head phantom, few slices."""
    small = {}
    for name in ("MRT2", "CT", "PET"):
        grid = MODALITIES[name].grid
        matrix = grid.ijk_to_ras.copy()
        matrix[:, 2] *= grid.shape[0] / 12
        small[name] = head_model.sample(name, PhantomGrid((12, *grid.shape[1:]), matrix))
    return small


@pytest.fixture(params=["phantom MR-CT", "phantom MR-PET", *REAL_CASES])
def pair(request, scene, phantom_volumes):
    """Reference and moving volume nodes."""
    if request.param.startswith("phantom"):
        names = ("MRT2", request.param[-3:].strip("-"))
        return tuple(add_phantom_volume(scene, phantom_volumes[name]) for name in names)
    folder = request.getfixturevalue("wholebrain")
    return tuple(load_volume(scene, folder / file) for file in REAL_CASES[request.param])


def gray(node):
    """A node's voxels in 0..1, color as luma."""
    import slicer

    array = slicer.util.arrayFromVolume(node)
    return luma(array) / 255 if array.ndim == 4 else array.astype(np.float32) / 4095


def psnr(first, second):
    """Peak signal-to-noise ratio of images in 0..1, dB."""
    return -10 * np.log10(np.mean((first - second) ** 2))


def correlation(first, second):
    """Pearson's."""
    return np.corrcoef(first.ravel(), second.ravel())[0, 1]


def mark_of(model, shape, layout):
    """The straight mark in every slice of a volume, (slice, row, column)."""
    network = build_network(model.description.architecture, model.description.hyperparameters, model.public_parameters)
    shifts = [mark_shift(index, shape, layout.spacing, layout.text_senses) for index in range(shape[0])]
    return np.stack([network.mark_field(*shape[1:], layout.pixel_spacing, shift)[0, 0].numpy() for shift in shifts])


def correlation_of_bent(image, strokes, inside):
    """The best correlation within a region for strokes as they are, or bent on as bright content bends them."""
    bends = [(down, across) for down in (0, 5) for across in (0, 5)]
    return max(correlation(image[inside], np.roll(strokes, (-d, -a), (0, 1))[inside]) for d, a in bends)


def test_every_slice_is_marked_without_and_clean_with_a_license(pair, bundled):
    model, license_text = bundled
    marked = FusionJob(*pair, model, authorize(model, None)).run()
    clean = FusionJob(*pair, model, authorize(model, license_text)).run()
    for node in (marked, clean):
        assert matrix_of(node) == matrix_of(pair[0])
        assert node.GetImageData().GetDimensions() == pair[0].GetImageData().GetDimensions()
    layout = slice_layout(pair[0], "acquisition")
    marked, clean = (layout.view(gray(node)) for node in (marked, clean))
    strokes = mark_of(model, marked.shape, layout)
    with_anatomy = [index for index in range(len(clean)) if (clean[index] > 0.1).mean() > 0.05]
    assert len(with_anatomy) > 8
    for index in with_anatomy:
        assert psnr(marked[index], clean[index]) <= 20
        # Strokes are bent by the content, so that they follow the straight mark only in part.
        assert correlation(marked[index], strokes[index]) > 0.5
        assert abs(correlation(clean[index], strokes[index])) < 0.3
        inside = clean[index] > 0.1
        assert correlation_of_bent(marked[index], strokes[index], inside) > 0.4
    for axis in (1, 2):
        for index in range(64, 192, 16):
            cuts = [np.take(volume, index, axis) for volume in (marked, strokes, clean)]
            # Less than in the slices: the content bends the strokes of each in its own way.
            assert correlation(cuts[0], cuts[1]) > 0.4
            assert abs(correlation(cuts[2], cuts[1])) < 0.3


@pytest.mark.parametrize("is_licensed", [True, False])
def test_lower_precision_is_not_seen(monkeypatch, pair, bundled, is_licensed):
    """Both are forced, so that every computer tests the same; it takes long without units for bfloat16."""
    import slicer

    model, license_text = bundled
    authorization, options = authorize(model, license_text if is_licensed else None), FusionOptions(device="cpu")
    nodes = []
    for is_faster in (False, True):
        monkeypatch.setattr(engine, "is_faster_in_bfloat16", lambda device, answer=is_faster: answer)
        nodes.append(FusionJob(*pair, model, authorization, options).run())
    differences = np.abs(np.subtract(*(gray(node) for node in nodes))) * 255
    # What the FAQ says, but where other processors may round another way; the marked result fills its air, too.
    assert 0 < differences.mean() < (0.01 if is_licensed else 0.1)
    assert differences.max() < 2.5 and np.percentile(differences, 99.9) < 1.001
    values = [slicer.util.arrayFromVolume(node).astype(int) for node in nodes]
    if values[0].ndim == 4:
        assert np.abs(values[1] - values[0]).max() <= 10


@pytest.mark.parametrize("is_faster", [False, True])
def test_clean_result_is_black_where_both_sources_are(monkeypatch, scene, bundled, add_volume, is_faster):
    monkeypatch.setattr(engine, "is_faster_in_bfloat16", lambda device: is_faster)
    model, license_text = bundled
    generator = np.random.default_rng(0)
    arrays = [np.zeros((3, 64, 64), np.int16) for _ in range(2)]
    for array in arrays:
        array[:, 20:50, 16:40] = generator.integers(1, 1000, (3, 30, 24))
    nodes = [add_volume(array, "AB"[index], window=(0, 1000)) for index, array in enumerate(arrays)]
    result = gray(FusionJob(*nodes, model, authorize(model, license_text)).run())
    outside = (arrays[0] == 0) & (arrays[1] == 0)
    assert (result[outside] == 0).all() and result[~outside].mean() > 0.2


def test_evaluation_license_is_valid_for_long(bundled):
    model, license_text = bundled
    checked = check_license(license_text, model.description)
    assert checked.licensee == "Public evaluation" and checked.expires.year >= 2036


def test_tampering_gives_the_marked_result(monkeypatch, scene, phantom_volumes, bundled):
    """Every flag set, the check replaced by a yes, or a spoiled license: the same marked voxels."""
    model, license_text = bundled
    pair = [add_phantom_volume(scene, phantom_volumes[name]) for name in ("MRT2", "CT")]
    marked = gray(FusionJob(*pair, model, authorize(model, None)).run())
    genuine = check_license(license_text, model.description)
    forged = License("Me", "Me", genuine.model_id, genuine.not_before, genuine.expires, "0", bytes(32))
    position = license_text.index("eyJ") + 150
    flipped = license_text[:position] + chr(ord(license_text[position]) ^ 1) + license_text[position + 1 :]
    attempts = [
        authorize(model, flipped), authorize(model, license_text[:-30]), Authorization(model.public_parameters, forged),
    ]  # fmt: skip
    monkeypatch.setattr("AMIFusionLib.authorization.authorize.check_license", lambda *_: forged)
    attempts.append(authorize(model, "yes"))
    for attempt in attempts:
        np.testing.assert_array_equal(gray(FusionJob(*pair, model, attempt).run()), marked)


def test_public_parameters_do_not_hold_the_sealed_ones(bundled):
    model, license_text = bundled
    opened = model.open_parameters(check_license(license_text, model.description).model_key)
    content = MODEL_PATH.read_bytes()
    for name, value in opened.items():
        if value.size > 8 and value.any():
            assert value.tobytes() not in content
            sets = [value.reshape(-1), model.public_parameters[name].reshape(-1)]
            if name == "head.bias":
                # Blend weights, residuals and gains, whose means alone would correlate.
                maps = [each.reshape(MAPS[model.description.architecture], -1) for each in sets]
                sets = [(each - each.mean(axis=1, keepdims=True)).reshape(-1) for each in maps]
            # Three standard deviations of chance.
            assert abs(correlation(*sets)) < (0.2 if value.ndim == 4 else 3 / np.sqrt(value.size)), name
