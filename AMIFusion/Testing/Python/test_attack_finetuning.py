"""Attack k: how near public values come to licensed fusion when they are trained on, and the search for the best."""
# ruff: noqa: F811 (fixtures are imported by name)

import operator
import time
from dataclasses import astuple
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest
import torch
from AMIFusionLib.evaluation.attacks import finetuning, finetuning_trainings
from AMIFusionLib.evaluation.attacks.bench import Effort, run
from AMIFusionLib.evaluation.attacks.finetuning_trainings import Idle, Nearness, Training, Trainings, Way
from AMIFusionLib.fusion.network import ResidualNetwork, TwoScaleNetwork
from AMIFusionLib.training.confinement import confine
from AMIFusionLib.training.mark import mark_from_text
from conftest import random_parameters
from small_attacks import data_folder, seal  # noqa: F401 (fixtures)


def test_head_start_of_public_values_that_are_nearly_there(tmp_path, seal):
    """The licensed values in the clear but for a little noise: fine-tuning is done before it begins."""
    licensed, random = random_parameters(5), np.random.default_rng(0)
    noise = {name: 0.01 * random.standard_normal(value.shape) for name, value in licensed.items()}
    noisy = {name: (value + noise[name]).astype(np.float32) for name, value in licensed.items()}
    noisy["mark"] = mark_from_text(["AMIF"], 32)[None, None]
    effort = Effort(reported=2, tuning=2, finetuning_steps=(1,), finetuning_repeats=2)
    bench = seal(noisy, licensed, effort).bench
    with Trainings(bench, tmp_path / "networks", tmp_path / "figures.csv") as trainings:
        starts = list(finetuning.head_starts(bench, trainings))
    assert [(start.kind, start.steps) for start in starts] == [("ct-mri", 1)]
    assert starts[0].gain > 5 and len(set(starts[0].tuned)) == len(set(starts[0].scratch)) == 2
    late = finetuning.HeadStart("ct-mri", 1000, (30.0, 29.0), (28.9, 27.9), 4e-3, 5e-4)
    assert starts[0].passes and not late.passes
    # What counts is the mean: two repeats far apart.
    assert finetuning.HeadStart("ct-mri", 5000, (30.0, 29.0), (27.0, 30.1), 4e-3, 5e-4).passes


@pytest.mark.parametrize("architecture", [ResidualNetwork, TwoScaleNetwork])
def test_idle_channels_of_public_values_may_begin_with_new_ones(architecture):
    """A network with half of its channels at 0, in which those could never learn, is widened to the whole one."""
    torch.manual_seed(3)
    public, images = architecture(channels=16, blocks=1, mark_size=32), torch.rand(3, 1, 1, 32, 32)
    confine({name: value for name, value in public.named_parameters() if value.requires_grad}, 0.5)
    idle_rows, results = public.body[0].first.weight[8:], {}
    for idle in get_args(Idle):
        network = architecture(channels=16, blocks=1, mark_size=32)
        finetuning_trainings._begin_with(public, network, idle)
        body = network.body[0].first.weight
        assert torch.equal(body[:8, :8], public.body[0].first.weight[:8, :8]) and not idle_rows.any()
        assert [bool(body[8:].all()), bool(body[:8, 8:].any())] == [idle != "kept", idle == "heard"]
        network.train()
        results[idle] = network(*images)
        results[idle].square().mean().backward()
        # Those who hear them at 0 learn to, and then they learn.
        assert bool(body.grad[:8, 8:].any()) == (idle != "kept")
    torch.testing.assert_close(results["kept"], public.train()(*images))
    torch.testing.assert_close(results["unheard"], results["kept"])
    assert not torch.allclose(results["heard"], results["kept"])


def test_a_training_from_scratch_may_begin_with_the_average(monkeypatch, tmp_path, seal):
    bench = seal(random_parameters(6), random_parameters(5)).bench
    monkeypatch.setattr(finetuning_trainings, "trained", lambda network, *_, **__: network.eval())
    slices = bench.tuning["ct-mri"]
    for is_even in (False, True):
        network = finetuning_trainings._retrained(bench, tmp_path, Training(Way(False, 4e-3, is_even=is_even), 9))
        fused = run(network, slices.first, slices.second, 0 * slices.marks)
        assert np.allclose(fused, (slices.first + slices.second) / 2, atol=1e-6) == is_even


class FakeTrainings:
    """Trainings that are as near as ``nearness(steps, way, repeat)`` says."""

    def __init__(self, nearness):
        self._nearness, self.made = nearness, []

    def nearness(self, wanted):
        self.made += wanted
        values = [self._nearness(training.steps, training.way, training.repeat) for training in wanted]
        # What is best on training cases is worst on the others, which nothing may be chosen by.
        return [
            Nearness(*({"ct-mri": near, "pet-mri": near - 10} for near in (value, 200 - value))) for value in values
        ]

    def side_by_side(self, searches):
        return [next(search) for search in searches]


def searched(monkeypatch, nearness, steps, repeats, idles=True):
    """The head starts, by ``nearness(steps, way, repeat)``, and all that was trained for them."""
    monkeypatch.setattr(finetuning, "has_idle_channels", lambda public: idles)
    effort = SimpleNamespace(finetuning_steps=steps, finetuning_repeats=repeats)
    trainings, bench = FakeTrainings(nearness), SimpleNamespace(effort=effort, public=None, kinds=["ct-mri", "pet-mri"])
    return list(finetuning.head_starts(bench, trainings)), trainings.made


def test_the_search_of_fine_tuning_goes_on_at_every_length(monkeypatch):
    """Rates, and how to begin from either: what was best at one length is not at the next."""
    best = {
        50: Way(True, 4e-3, idle="unheard", is_even=True),
        1000: Way(True, 1.5e-3, marked=True, idle="heard"),
        5000: Way(True, 5e-4),
    }

    def nearness(steps, way, repeat):
        wanted = best[steps] if way.from_public else Way(False, best[steps].rate, is_even=steps != 1000)
        return 20.0 + sum(map(operator.eq, astuple(way), astuple(wanted))) + repeat

    starts, trained = searched(monkeypatch, nearness, tuple(best), 3)
    assert [(start.kind, start.steps) for start in starts] == [
        (kind, steps) for steps in best for kind in ("ct-mri", "pet-mri")
    ]
    for start in starts:
        begun = Way(True, start.tuned_rate, start.tuned_marked, start.tuned_idle, start.tuned_even)
        assert begun == best[start.steps] and start.scratch_rate == begun.rate
        assert start.scratch_even == (start.steps != 1000)
        first = 165.0 if start.kind == "pet-mri" else 175.0
        assert start.tuned == start.scratch == (first, first - 1, first - 2)
    for length in best:
        from_public, scratch = (
            {made.way for made in trained if (made.steps, made.way.from_public) == (length, public)}
            for public in (True, False)
        )
        assert len(from_public) >= len(scratch) == 8
        assert {way.idle for way in from_public} == set(get_args(Idle))


@pytest.mark.parametrize("is_marked", [False, True])
def test_a_training_is_given_the_mark_or_none_and_each_repeat_new_values(monkeypatch, tmp_path, seal, is_marked):
    public, losses = {**random_parameters(6), "mark": mark_from_text(["AMIF"], 32)[None, None]}, []
    bench = seal(public, random_parameters(5)).bench

    def kept(network, steps, rate, loss, path, seed):
        losses.append(loss)
        return network.eval()

    monkeypatch.setattr(finetuning_trainings, "trained", kept)
    way = Way(False, 4e-3, marked=is_marked)
    networks = [finetuning_trainings._retrained(bench, tmp_path, Training(way, 9, repeat)) for repeat in range(2)]
    assert not torch.equal(networks[0].stem.weight, networks[1].stem.weight)
    given = []
    networks[0].register_forward_pre_hook(lambda module, arguments: given.append(arguments[2]))
    losses[0](np.random.default_rng(0))
    assert bool(given[0].any()) == is_marked


@pytest.mark.parametrize("most_turns", [1, np.inf])
def test_the_search_from_public_values_takes_turns_until_nothing_comes_nearer(most_turns):
    """What is best with heard channels, a high rate, is not with unheard ones, which are better altogether."""
    heights = {("heard", 4e-3): 3.0, ("heard", 5e-4): 2.0, ("unheard", 4e-3): 4.0, ("unheard", 5e-4): 5.0}

    def nearness(ways):
        return [heights.get((way.idle, way.rate), 0.0) - way.marked - way.is_even for way in ways]

    last = Way(True, 1.5e-3, marked=True, idle="heard")
    found = finetuning._best_ways(nearness, last, get_args(Idle), most_turns)
    assert found[0] == Way(True, 4e-3 if most_turns == 1 else 5e-4, idle="unheard")


def test_all_ways_from_scratch_are_tried():
    """The best one is out of reach for a search that changes one choice after the other."""
    heights = {(1.5e-4, True): 3.0, (5e-4, False): 4.0, (1.5e-4, False): 2.0, (5e-4, True): 2.0}
    found = finetuning._best_ways(
        lambda ways: [heights.get((way.rate, way.is_even), 0.0) for way in ways],
        Way(False, 1.5e-4, is_even=True),
        (),
        most_turns=1,
    )
    assert found[:2] == [Way(False, 5e-4), Way(False, 1.5e-4, is_even=True)] and len(found) == 8


def test_of_the_best_two_ways_the_mean_of_all_repeats_decides(monkeypatch):
    """The best of single trainings was lucky, the third is not looked at again."""
    heights = {5e-4: (9.0, 1.0, 1.0), 1.5e-3: (8.0, 8.0, 7.0), 4e-3: (7.0, 10.0, 10.0), 1.5e-4: (0.0, 0.0, 0.0)}

    def nearness(steps, way, repeat):
        return heights[way.rate][repeat] - 20 * (way.is_even or way.marked)

    [start, _], _ = searched(monkeypatch, nearness, (5000,), 3, idles=False)
    assert start.tuned_rate == start.scratch_rate == 1.5e-3
    assert start.tuned == start.scratch == (192.0, 192.0, 193.0)


WAYS = [
    Training(Way(True, 4e-3, marked=True), 2),
    Training(Way(False, 5e-4), 2),
    Training(Way(False, 5e-4), 2, repeat=1),
]


def test_what_was_measured_is_not_trained_again(monkeypatch, tmp_path, seal):
    """Figures outlive the networks that they were measured on, and are the same to the last digit."""
    bench, figures = seal(random_parameters(6), random_parameters(5)).bench, tmp_path / "results" / "figures.csv"
    with Trainings(bench, tmp_path / "networks", figures) as trainings:
        # In a search the same training may be wanted twice.
        found = trainings.nearness([*WAYS, WAYS[0]])
    assert found[0] == found[3] and len({near.tuned for near in found}) == 3
    assert {path.stem for path in (tmp_path / "networks").iterdir()} == set(map(str, WAYS))
    lines = figures.read_text().splitlines()
    assert lines[0] == "training,tuning ct-mri,reported ct-mri" and len(lines) == 4
    assert lines[1].startswith("finetuning-public-marked-2-0.004,")
    monkeypatch.setattr(finetuning_trainings, "trained", lambda *_, **__: pytest.fail("trained again"))
    with Trainings(bench, tmp_path / "elsewhere", figures) as trainings:
        assert trainings.nearness(WAYS) == found[:3]


def test_several_processes_find_the_same(tmp_path, seal):
    bench, found = seal(random_parameters(6), random_parameters(5)).bench, []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        with Trainings(bench, folder / "networks", folder / "figures.csv", processes) as trainings:
            searches = (iter([trainings.nearness(part)]) for part in (WAYS[:1], WAYS[1:]))
            found.append([near.reported["ct-mri"] for part in trainings.side_by_side(searches) for near in part])
    assert found[0] == pytest.approx(found[1], abs=1e-3)
    texts = [sorted((tmp_path / name / "figures.csv").read_text().splitlines()) for name in "12"]
    assert [line.split(",")[0] for line in texts[0]] == [line.split(",")[0] for line in texts[1]]


@pytest.mark.parametrize("order", [1, -1])
def test_a_search_that_fails_ends_the_other(tmp_path, seal, order):
    """Which would go on for hours; what was measured is kept."""
    bench, figures = seal(random_parameters(6), random_parameters(5)).bench, tmp_path / "figures.csv"

    def failing():
        trainings.nearness(WAYS[:1])
        raise OSError("No space left.")
        yield

    with pytest.raises(OSError, match="No space left"), Trainings(bench, tmp_path / "nets", figures, 2) as trainings:
        trainings.side_by_side([failing(), trainings._pool.map(time.sleep, [3600.0])][::order])
    assert len(figures.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "text",
    [
        "training,tuning pet-mri\na,1\n",
        "training,tuning ct-mri,reported ct-mri\na,1\n",
        "training,tuning ct-mri,reported ct-mri\na,1,nan\n",
        "a,b\n1,2",
    ],
)
def test_figures_of_something_else_are_refused(tmp_path, seal, text):
    (tmp_path / "figures.csv").write_text(text)
    with pytest.raises(ValueError, match=r"figures\.csv does not have figures of trainings\. Move it"):
        Trainings(seal(random_parameters(6), random_parameters(5)).bench, tmp_path, tmp_path / "figures.csv")
    assert (tmp_path / "figures.csv").read_text() == text


@pytest.mark.parametrize("text", ["", "training,tuning ct-mri,reported ct-mri\nof another run,1.0,2.0\n"])
def test_figures_of_another_run_are_kept_beside_new_ones(tmp_path, seal, text):
    bench, figures = seal(random_parameters(6), random_parameters(5)).bench, tmp_path / "figures.csv"
    with Trainings(bench, tmp_path / "networks", figures) as trainings:
        figures.write_text(text)
        trainings.nearness(WAYS[:1])
    lines = figures.read_text().splitlines()
    assert lines[0] == "training,tuning ct-mri,reported ct-mri"
    names = ["of another run"] if text else []
    assert [line.split(",")[0] for line in lines[1:]] == [*names, str(WAYS[0])]
