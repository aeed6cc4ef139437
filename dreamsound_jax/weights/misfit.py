"""Explains why a PyTorch state dict is not that of the requested network, and what would fit."""

from collections.abc import Collection, Mapping
from typing import Any

from dreamsound_jax.networks.vgg19 import CHANNELS, CONV_LAYERS, POOLED
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.advice import show_name
from dreamsound_jax.weights.torch_names import FoundNetwork
from dreamsound_jax.weights.torch_nesting import describe_unread

LISTED = 6  # Names of each kind that a message lists.
LAST_CHANNELS = tuple(CHANNELS.values())[-1]


def check_fit(
    network: FoundNetwork, expected: Mapping[str, tuple[int, ...]], names: Mapping[str, str]
) -> None:
    """Checks the names and the shapes of a state dict of VGG19.

    Args:
      network: what was found in the state dict.
      expected: {PyTorch's name: shape} of the requested network.
      names: {layer: the prefix of its `.weight` and `.bias`}.

    Raises:
      UserError: they differ, or a tensor holds whole numbers. The message says what would fit if it
        is known, then lists the names.
    """
    refuse_unread(network.tensors, expected)
    details = list_differences(network.tensors, expected)
    if details:
        usual = "the state dict must be that of torchvision's VGG19 with one input channel and the "
        given = _list_shapes(network.tensors, expected)
        hints = _find_hints(given, expected, names) or [f"{usual}given size"]
        if network.prefix:
            hints.append(f"{len(network.tensors)} names start with {show_name(network.prefix)}")
        raise UserError("; ".join(hints + details))


def refuse_unread(tensors: Mapping[str, Any], expected: Collection[str]) -> None:
    """Raises UserError if one of the tensors that a network needs is of a kind that is not read."""
    if unread := describe_unread({name: tensors[name] for name in expected if name in tensors}):
        raise UserError(unread)


def list_differences(
    tensors: Mapping[str, Any], expected: Mapping[str, tuple[int, ...]]
) -> list[str]:
    """Returns how names, shapes and dtypes differ from a network's, one string for each kind.

    Args:
      tensors: {PyTorch's name: tensor}.
      expected: {PyTorch's name: shape} of the requested network.
    """
    given = _list_shapes(tensors, expected)
    different = [
        f"{name} is {given[name]}, not {shape}"
        for name, shape in expected.items()
        if name in given and given[name] != shape
    ]
    problems = {
        "missing": sorted(set(expected) - set(given)),
        "unexpected": sorted(set(given) - set(expected)),
        "different shape": different,
    }
    problems["not floating-point"] = [name for name in given if tensors[name].dtype.kind in "iub"]
    return [f"{kind}: {_shorten(items)}" for kind, items in problems.items() if items]


def _list_shapes(tensors, expected):
    """Returns {name: shape} of the tensors that a network computes with.

    Counters and masks hold whole numbers and are in no layer, and an `UnreadTensor` is not needed.
    PyTorch's counter of batches may have any dtype.
    """
    return {
        name: tuple(tensor.shape)
        for name, tensor in tensors.items()
        if name in expected
        or not (tensor.dtype.kind in "iubO" or name.endswith("num_batches_tracked"))
    }


def _shorten(items):
    more = f" and {len(items) - LISTED} more" if len(items) > LISTED else ""
    return ", ".join(show_name(item) for item in items[:LISTED]) + more


def _find_hints(given, expected, names):
    """Returns what is wrong with the network as a whole, and what would fit."""
    count = sum(len(shape) == 4 for shape in given.values())
    if count != len(CONV_LAYERS):
        return [
            f"the network must have the {len(CONV_LAYERS)} convolutions of VGG19, and has {count}"
        ]
    hints = (
        _hint_at_channels(given, f"{names['conv1_1']}.weight"),
        _hint_at_width(given, expected, f"{names['conv5_4']}.weight"),
        _hint_at_hidden(given, expected, f"{names['linear2']}.weight"),
        _hint_at_pooling(given, f"{names['conv5_4']}.weight", f"{names['linear1']}.weight"),
        _hint_at_classes(given, expected, f"{names['output']}.weight"),
    )
    return [hint for hint in hints if hint]


def _hint_at_channels(given, name):
    channels = _axis(given, name, 1, axes=4)
    if channels in (None, 1):
        return None
    return (
        f"conv1_1 must have 1 input channel, and {name} has {channels}: a network of pictures; if "
        f"it was trained on {channels} copies of a spectrogram, save the sum over its channels, "
        "weight.sum(1, keepdim=True)"
    )


def _hint_at_width(given, expected, name):
    channels = _axis(given, name, 0, axes=4)
    if channels in (None, expected[name][0]):
        return None
    return f"{name} has {channels} channels, which --width={channels / LAST_CHANNELS:g} fits"


def _hint_at_hidden(given, expected, name):
    hidden = _axis(given, name, 0, axes=2)
    if hidden in (None, expected[name][0]):
        return None
    return f"{name} has {hidden} features, which --hidden={hidden} fits"


def _hint_at_pooling(given, last_convolution, name):
    channels, inputs = _axis(given, last_convolution, 0, axes=4), _axis(given, name, 1, axes=2)
    if channels is None or inputs in (None, channels * POOLED**2):
        return None
    return (
        f"{name} must have {channels * POOLED**2} inputs, which are {channels} channels that are "
        f"pooled to {POOLED} x {POOLED} cells, and has {inputs}"
    )


def _hint_at_classes(given, expected, name):
    classes = _axis(given, name, 0, axes=2)
    if classes in (None, expected[name][0]):
        return None
    return f"{name} has {classes} classes, so --classes must name {classes}"


def _axis(given, name, axis, *, axes):
    """Returns the length of an axis of a tensor that has so many axes; None for any other."""
    shape = given.get(name, ())
    return shape[axis] if len(shape) == axes else None
