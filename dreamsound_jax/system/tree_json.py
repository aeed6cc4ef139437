"""The structure of a pytree as JSON, read without running or importing anything.

Named tuples are written by the name of their class, and found among those that are imported
already. A node of any other class (a Flax dataclass with static fields, say) is written as its
position in another structure that has the same node, from which it is taken again.
"""

import sys
from typing import Any

import jax
from jax.tree_util import PyTreeDef


def encode_tree(structure: PyTreeDef, *, like: PyTreeDef) -> Any:
    """Returns a structure in JSON types; None if it has a node that cannot be written.

    Args:
      structure: what is written.
      like: a structure that will be there again when it is read.
    """
    try:
        return _encode(structure, list(_nodes(like)))
    except ValueError:
        return None


def decode_tree(encoded: Any, *, like: PyTreeDef) -> PyTreeDef:
    """Returns the structure that `encode_tree` has written.

    Raises:
      Exception: `encoded` is not what `encode_tree` writes.
    """
    return jax.tree.structure(_decode(encoded, list(_nodes(like))))


def _nodes(structure):
    yield structure
    for child in structure.children():
        yield from _nodes(child)


def _encode(structure, nodes):
    if structure.num_nodes == structure.num_leaves == 1:
        return "leaf"
    kind, keys = structure.node_data() or (type(None), None)
    children = structure.children()
    if kind is type(None):
        return None
    if structure in nodes and kind not in (tuple, list, dict):
        return {"node": nodes.index(structure)}
    parts = [_encode(child, nodes) for child in children]
    if kind in (tuple, list):
        return {kind.__name__: parts}
    if kind is dict and all(isinstance(key, str) for key in keys):
        return {"dict": dict(zip(keys, parts))}
    if _is_named_tuple(kind):
        return {"class": [kind.__module__, kind.__qualname__], "fields": parts}
    raise ValueError(f"{kind} cannot be written")


def _decode(encoded, nodes):
    """Returns an example of the structure, with 0 for each leaf."""
    if encoded is None or encoded == "leaf":
        return 0 if encoded else None
    if "node" in encoded:
        structure = nodes[encoded["node"]]
        return jax.tree.unflatten(structure, [0] * structure.num_leaves)
    if "dict" in encoded:
        return {key: _decode(part, nodes) for key, part in encoded["dict"].items()}
    if "class" in encoded:
        kind = _find_named_tuple(*encoded["class"])
        return tuple.__new__(kind, [_decode(part, nodes) for part in encoded["fields"]])
    ((kind, parts),) = encoded.items()
    return {"tuple": tuple, "list": list}[kind](_decode(part, nodes) for part in parts)


def _find_named_tuple(module, name):
    kind = vars(sys.modules[module])[name]
    if not _is_named_tuple(kind):
        raise ValueError(f"{module}.{name} is not a named tuple")
    return kind


def _is_named_tuple(kind):
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")
