"""The zoo's helpers: counts that torchvision publishes, small networks of the right shape, soups, drawings."""

import copy
import xml.etree.ElementTree as ElementTree

import pytest
import torch
from torch import nn
from torchvision import models

from helpers.cv import draw_zoo, zoo


@pytest.mark.parametrize("name", ["alexnet", "resnet18", "squeezenet1_1", "googlenet", "regnet_y_400mf"])
def test_a_zoo_network_without_numbers_has_the_weights_that_its_sign_says(name):
    network = zoo.build(name, device="meta")
    # the heads that help to train GoogLeNet are not in its sign
    counted = sum(p.numel() for part, p in network.named_parameters() if not part.startswith("aux"))
    assert counted == models.get_model_weights(name).DEFAULT.meta["num_params"]
    assert all(weight.is_meta for weight in network.parameters()) and not network.training


def test_build_names_what_it_does_not_know():
    with pytest.raises(ValueError, match="resnet51"):
        zoo.build("resnet51")


@pytest.mark.parametrize(("name", "layers"), [("alexnet", 8), ("vgg19", 19), ("densenet201", 201), ("resnet18", 21)])
def test_weight_layers_are_the_number_in_the_name_but_for_convolutions_in_shortcuts(name, layers):
    assert zoo.weight_layers(zoo.build(name, device="meta")) == layers


def test_elements_moved_counts_outputs_and_weights(monkeypatch):
    toy = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 2))
    monkeypatch.setattr(zoo, "build", lambda _name, device: copy.deepcopy(toy).to(device))
    written = 3 * 4 * 64 + 2  # convolution, ReLU and Flatten put out 4 × 8 × 8 numbers each
    assert zoo.elements_moved("toy", 8) == written + sum(weight.numel() for weight in toy.parameters())


def test_elements_moved_grows_with_the_picture_and_computes_nothing():
    small, large = (zoo.elements_moved("resnet18", size) for size in (64, 224))
    assert 11_689_512 < small < large


@pytest.mark.parametrize("make", [zoo.plain_cnn, zoo.separable_cnn, zoo.mlp])
def test_members_take_small_pictures_and_learn(make):
    torch.manual_seed(0)
    network = make()
    labels = torch.arange(40) % 10
    pictures = torch.randn(10, 1, 14, 14)[labels] + 0.1 * torch.randn(40, 1, 14, 14)
    optimiser = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9)
    first = last = None
    for _ in range(30):
        loss = nn.functional.cross_entropy(network(pictures), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        first, last = first or loss.item(), loss.item()
    assert network(pictures).shape == (40, 10)
    assert last < 0.2 * first


def test_the_separable_network_has_one_thin_kernel_a_channel():
    groups = [layer.groups for layer in zoo.separable_cnn(8).modules() if isinstance(layer, nn.Conv2d)]
    assert groups == [1, 8, 1, 16, 1, 32, 1]


def little():
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 16, 2))


def test_a_soup_of_one_network_twice_is_that_network():
    torch.manual_seed(0)
    network, pictures = little(), torch.randn(50, 1, 6, 6)
    network[1].weight.data.uniform_(0.5, 2)
    soup = zoo.average_weights([network, network], pictures, batch_size=50)
    assert all(torch.allclose(a, b) for a, b in zip(soup.parameters(), network.parameters(), strict=True))
    # its batch norm measures these pictures: its mean over them is theirs, exactly
    assert torch.allclose(soup[1].running_mean, network[0](pictures).mean((0, 2, 3)), atol=1e-6)
    assert soup[1].momentum == 0.1 and not soup.training


def test_a_soup_is_the_mean_and_leaves_its_ingredients_alone():
    torch.manual_seed(0)
    networks = [little(), little()]
    before = [copy.deepcopy(network.state_dict()) for network in networks]
    soup = zoo.average_weights(networks, torch.randn(20, 1, 6, 6))
    middle = (networks[0][4].weight + networks[1][4].weight) / 2
    assert torch.allclose(soup[4].weight, middle)
    for network, state in zip(networks, before, strict=True):
        assert all(torch.equal(network.state_dict()[name], value) for name, value in state.items())


def test_networks_that_do_not_fit_together_make_no_soup():
    with pytest.raises(ValueError, match="not built alike"):
        zoo.average_weights([nn.Linear(3, 2), nn.Linear(4, 2)], torch.randn(5, 3))
    with pytest.raises(ValueError, match="at least one"):
        zoo.average_weights([], torch.randn(5, 3))


POINTS = [
    draw_zoo.Point("a <small> one", 0.1, 60.0, "60 %", front=True),
    draw_zoo.Point("big & good", 10.0, 85.0, "85 %", front=True),
    draw_zoo.Point("beaten", 5.0, 70.0, "70 %"),
    draw_zoo.Point("elsewhere", 20.0, 88.0, "88 %", aside=True),
]
LABELS = {"xlabel": "GMACs", "ylabel": "accuracy", "description": "a description", "hint": "a hint"}
SVG = "{http://www.w3.org/2000/svg}"


def test_the_interactive_front_is_well_formed_and_needs_nothing_from_elsewhere():
    drawing = draw_zoo.pareto_svg(POINTS, **LABELS)
    root = ElementTree.fromstring(drawing._repr_html_())
    assert root.tag == "svg" and root.get("aria-label") == "a description" and repr(drawing) == "a description"
    for forbidden in ("http", "<script", "url(", "@import", " id="):
        assert forbidden not in drawing.svg
    titles = [title.text for title in root.iter("title")]
    assert sorted(titles) == sorted(f"{point.name}: {point.says}" for point in POINTS)


def test_every_dot_answers_the_pointer_and_the_front_also_the_keyboard():
    root = ElementTree.fromstring(draw_zoo.pareto_svg(POINTS, **LABELS).svg)
    dots = [group for group in root.iter("g") if group.get("class") == "zoo-dot"]
    assert len(dots) == len(POINTS)
    for dot in dots:
        (tip,) = [group for group in dot.iter("g") if group.get("class") == "zoo-tip"]
        assert tip.get("visibility") == "hidden" and tip.find("text").text == dot.find("title").text
    reached = [dot.get("aria-label") for dot in dots if dot.get("tabindex") == "0"]
    assert reached == ["a <small> one: 60 %", "big & good: 85 %"]


def test_dots_lie_where_their_numbers_say():
    root = ElementTree.fromstring(draw_zoo.pareto_svg(POINTS, **LABELS).svg)
    centre = {}
    for dot in root.iter("g"):
        if dot.get("class") == "zoo-dot":
            circle = dot.find("circle")
            centre[dot.find("title").text.split(":")[0]] = (float(circle.get("cx")), float(circle.get("cy")))
    across = sorted(centre, key=lambda name: centre[name][0])
    upwards = sorted(centre, key=lambda name: -centre[name][1])
    assert across == ["a <small> one", "beaten", "big & good", "elsewhere"]
    assert upwards == ["a <small> one", "beaten", "big & good", "elsewhere"]
    # logarithmic: from 5 to 10 is as far as from 10 to 20
    assert centre["big & good"][0] - centre["beaten"][0] == pytest.approx(
        centre["elsewhere"][0] - centre["big & good"][0], abs=0.2
    )


def test_a_logarithmic_axis_refuses_zero():
    with pytest.raises(ValueError, match="logarithmic"):
        draw_zoo.pareto_svg([draw_zoo.Point("free", 0.0, 50.0, "")], **LABELS)
    with pytest.raises(ValueError, match="at least one"):
        draw_zoo.pareto_svg([], **LABELS)
