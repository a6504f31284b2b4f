"""What a masked run trains under each what-if: which weights, how many of them, in which stages."""

import copy

import pytest
import torch

from analysis.losses import answer_log_prob
from analysis.node_masks import mask_of, n_parameters
from analysis.what_if import WHAT_IFS, largest, possible, sizes, stages_of, union
from tests.analysis.test_conflict_map import made_map, node

HEAD, MLP = 3 * (16 * 4 + 4) + 4 * 16, 16 * 24 + 24 + 24 * 16 + 16  # weights of a tiny GPT-2's nodes


def map_of(handle, forget, conflict):
    """A map of the whole model; a node's forget score falls along the forward pass."""
    nodes = {}
    for place, name in enumerate(handle.index.forward_names[1:]):
        label = "forget" if name in forget else "conflict" if name in conflict else "retain"
        nodes[name] = node(label, kind="MLP" if name[0] == "m" else "head", layer=int(name[1]), forget_score=100.0 - place,
                           retain_score=float(place))
    return made_map(nodes)


@pytest.fixture
def found(handle):
    return map_of(handle, ["a0.h2", "a1.h0", "m0"], ["a1.h1"])


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def described(stages):
    return [(stage.name, stage.n_epochs, n_parameters(stage.mask), stage.with_retain) for stage in stages]


def test_clue_trains_forget_nodes_on_the_forget_loss_then_conflict_nodes_on_both(handle, found):
    first, second = stages_of(handle, found, "clue", 12)
    assert described([first, second]) == [("forget", 2, 2 * HEAD + MLP, False), ("conflict", 10, HEAD, True)]
    assert same(first.mask, mask_of(handle, ["a0.h2", "a1.h0", "m0"])) and same(second.mask, mask_of(handle, ["a1.h1"]))


def test_parts_of_clue_and_everything(handle, found):
    assert described(stages_of(handle, found, "forget-only", 12)) == [("forget", 12, 2 * HEAD + MLP, True)]
    assert described(stages_of(handle, found, "conflict-only", 12)) == [("conflict", 12, HEAD, True)]
    first, second = stages_of(handle, found, "conflict-as-everything", 12)
    assert described([first, second]) == [("forget", 2, 2 * HEAD + MLP, False), ("everything", 10, 8 * HEAD + 2 * MLP, True)]


def test_random_sets_are_as_large_disjoint_and_drawn_by_the_seed(handle, found):
    clue, seen = stages_of(handle, found, "clue", 6), set()
    for seed in range(20):
        stages = stages_of(handle, found, "random", 6, seed=seed)
        assert [row[1:] for row in described(stages)] == [row[1:] for row in described(clue)]
        masks = [stage.mask for stage in stages]
        assert n_parameters(union(*masks)) == sum(n_parameters(mask) for mask in masks)  # disjoint
        assert all(same(a.mask, b.mask) for a, b in zip(stages, stages_of(handle, found, "random", 6, seed=seed), strict=True))
        seen.add(tuple(name for name in masks[0] if "mlp" in name))
    assert len(seen) == 2  # the MLP of either layer: of all nodes, those that clue takes included


def test_important_nodes_are_those_of_the_largest_forget_score_up_to_the_size_of_clue(handle, found):
    (stage,) = stages_of(handle, found, "important", 6)
    size = 3 * HEAD + MLP
    assert same(stage.mask, mask_of(handle, ["a0.h0", "a0.h1", "a0.h2", "a0.h3", "m0"])) and stage.with_retain
    assert size <= n_parameters(stage.mask) < size + MLP


def test_gradient_takes_exactly_as_many_single_weights_those_of_the_largest_gradient(handle, found, batch):
    (stage,) = stages_of(handle, found, "gradient", 6, forget=batch)
    assert described([stage]) == [("gradient", 6, 3 * HEAD + MLP, True)]
    model = copy.deepcopy(handle.model).requires_grad_(True)
    (-answer_log_prob(model(batch.input_ids).logits, batch.labels).mean()).backward()
    inside, outside = [], []
    for name in mask_of(handle, found.nodes):
        size, free = model.get_parameter(name).grad.abs(), stage.mask.get(name, torch.zeros(1, dtype=torch.bool))
        inside.append(size[free.expand_as(size)])
        outside.append(size[~free.expand_as(size)])
    assert torch.cat(inside).min() > torch.cat(outside).max()
    assert set(stage.mask) <= set(mask_of(handle, found.nodes))  # no norm, no embedding
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in handle.model.parameters())


def test_gradient_does_not_depend_on_batches(handle, found, batch):
    from analysis.what_if import _largest_gradients

    one, other = (_largest_gradients(handle, found, batch, 500, n_rows) for n_rows in (2, 16))
    assert same(one, other) and n_parameters(one) == 500


def test_gradient_needs_the_forget_set_and_finite_losses(handle, make_handle, found, batch):
    with pytest.raises(ValueError, match="what-if gradient: expected the forget set"):
        stages_of(handle, found, "gradient", 6)
    broken = make_handle("gpt2")
    broken.model.get_parameter("transformer.h.0.ln_1.weight").fill_(torch.nan)
    with pytest.raises(ValueError, match="not finite"):
        stages_of(broken, found, "gradient", 6, forget=batch)


def test_of_equal_values_the_first_are_largest():
    assert largest(torch.tensor([1.0, 3.0, 1.0, 1.0, 0.0, 3.0]), 4).tolist() == [True, True, True, False, False, True]
    assert largest(torch.zeros(5), 2).tolist() == [True, True, False, False, False]


def test_a_stage_without_nodes_gives_its_epochs_to_the_other(handle):
    assert described(stages_of(handle, map_of(handle, [], ["m1"]), "clue", 6)) == [("conflict", 6, MLP, True)]
    assert described(stages_of(handle, map_of(handle, ["m1"], []), "clue", 6)) == [("forget", 6, MLP, False)]
    assert described(stages_of(handle, map_of(handle, ["m1"], []), "random", 1)) == [("random forget", 1, MLP, False)]
    everything = stages_of(handle, map_of(handle, [], ["m1"]), "conflict-as-everything", 6)
    assert described(everything) == [("everything", 6, 8 * HEAD + 2 * MLP, True)]


def test_a_map_that_names_nothing_to_train_is_refused_by_what_to_do(handle):
    for what_if in WHAT_IFS:
        with pytest.raises(ValueError, match="0 forget and 0 conflict nodes: nothing to train; find conflicts anew with another"):
            stages_of(handle, map_of(handle, [], []), what_if, 6)
    with pytest.raises(ValueError, match="what-if forget-only: the map has 0 forget and 1 conflict nodes"):
        stages_of(handle, map_of(handle, [], ["m0"]), "forget-only", 6)
    with pytest.raises(ValueError, match="expected one of clue, forget-only, .*, gradient, got 'all'"):
        stages_of(handle, map_of(handle, ["m0"], []), "all", 6)


@pytest.mark.parametrize(("forget", "conflict", "lacking"), [
    (["m0"], ["m1"], set()), ([], ["m1"], {"forget-only"}), (["m0"], [], {"conflict-only"}), ([], [], set(WHAT_IFS)),
])
def test_the_possible_what_ifs_are_those_that_give_stages(handle, batch, forget, conflict, lacking):
    found = map_of(handle, forget, conflict)
    assert set(possible(found)) == set(WHAT_IFS) - lacking == set(sizes(handle, found))
    for name in possible(found):
        stages = stages_of(handle, found, name, 6, forget=batch)
        counts = {stage.with_retain: n_parameters(stage.mask) for stage in stages}
        written = sizes(handle, found)[name]
        assert (written["stage1"], written["stage2"]) == (counts.get(False, 0), counts.get(True, 0))


def test_the_sizes_of_what_ifs(handle, found):
    small = 3 * HEAD + MLP
    assert sizes(handle, found) == {
        "clue": {"stage1": 2 * HEAD + MLP, "stage2": HEAD, "touched": small},
        "forget-only": {"stage1": 0, "stage2": 2 * HEAD + MLP, "touched": 2 * HEAD + MLP},
        "conflict-only": {"stage1": 0, "stage2": HEAD, "touched": HEAD},
        "conflict-as-everything": {"stage1": 2 * HEAD + MLP, "stage2": 8 * HEAD + 2 * MLP, "touched": 8 * HEAD + 2 * MLP},
        "random": {"stage1": 2 * HEAD + MLP, "stage2": HEAD, "touched": small},
        "important": {"stage1": 0, "stage2": 4 * HEAD + MLP, "touched": 4 * HEAD + MLP},
        "gradient": {"stage1": 0, "stage2": small, "touched": small},
    }


def test_keys_and_values_that_a_forget_and_a_conflict_head_share_stay_frozen(make_handle):
    handle = make_handle("llama")
    clue = stages_of(handle, map_of(handle, ["a0.h0"], ["a0.h1"]), "clue", 6)
    assert not any("k_proj" in name or "v_proj" in name for stage in clue for name in stage.mask)
    (together,) = stages_of(handle, map_of(handle, ["a0.h0", "a0.h1"], []), "clue", 6)
    assert any("k_proj" in name for name in together.mask)
