"""Biovision BVH: a joint tree with channels, then one line per frame."""

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.transform import Rotation

from configs.errors import InputError
from dpmesh.training.mocap.source import SourceMotion, chain, rest_positions


@dataclass(slots=True)
class _Node:
    name: str
    parent: int
    offset: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    channels: list[str] = field(default_factory=list)


def parse_bvh(text: str, *, add_root_offset: bool = False) -> SourceMotion:
    """Return the motion of a BVH file.

    A position channel replaces the joint's OFFSET; an `End Site` becomes a joint `<parent>_end`.

    Args:
        text: the whole file.
        add_root_offset: the root's position channels count from its OFFSET (ReActIdle).

    Raises:
        InputError: the text is not BVH, or its numbers do not fit its channels.
    """
    head, found, tail = text.partition("MOTION")
    if not found:
        raise InputError("not a BVH file: it has no MOTION line")
    nodes = _read_tree(head.split())
    frame_time_s, values = _read_frames(tail)
    width = sum(len(node.channels) for node in nodes)
    if values.shape[1] != width:
        raise InputError(f"BVH frames have {values.shape[1]} numbers, the joints have {width} channels")

    count = len(values)
    parents = np.array([node.parent for node in nodes])
    offsets = np.array([node.offset for node in nodes], dtype=np.float64)
    moved = np.repeat(offsets[None], count, axis=0)
    local = np.tile(np.eye(3), (count, len(nodes), 1, 1))
    column = 0
    for row, node in enumerate(nodes):
        own = values[:, column : column + len(node.channels)]
        column += len(node.channels)
        order, turns = "", []
        for place, channel in enumerate(node.channels):
            axis, kind = channel[0].upper(), channel[1:].lower()
            if kind == "position":
                moved[:, row, "XYZ".index(axis)] = own[:, place]
            else:
                order += axis
                turns.append(own[:, place])
        if order:
            local[:, row] = Rotation.from_euler(order, np.stack(turns, axis=1), degrees=True).as_matrix()
    root = moved[:, 0] + (offsets[0] if add_root_offset else 0.0)
    rotation, position = chain(parents, local, moved, root)
    # ReActIdle writes the bone offset into position channels; it is constant but for rounding.
    return SourceMotion(
        names=tuple(node.name for node in nodes),
        parents=parents,
        rest=rest_positions(parents, np.median(moved, axis=0)),
        rotation=rotation,
        position=position,
        rate_hz=1.0 / frame_time_s,
    )


def _read_tree(words: list[str]) -> list[_Node]:
    nodes: list[_Node] = []
    open_rows: list[int] = []
    at = 0
    try:
        while at < len(words):
            word = words[at].upper()
            if word in ("ROOT", "JOINT"):
                nodes.append(_Node(words[at + 1], open_rows[-1] if open_rows else -1))
                at += 2
            elif word == "END":
                nodes.append(_Node(f"{nodes[open_rows[-1]].name}_end", open_rows[-1]))
                at += 2
            elif word == "{":
                open_rows.append(len(nodes) - 1)
                at += 1
            elif word == "}":
                open_rows.pop()
                at += 1
            elif word == "OFFSET":
                nodes[-1].offset = [float(value) for value in words[at + 1 : at + 4]]
                at += 4
            elif word == "CHANNELS":
                size = int(words[at + 1])
                nodes[-1].channels = words[at + 2 : at + 2 + size]
                at += 2 + size
            else:
                at += 1
    except (IndexError, ValueError) as error:
        raise InputError(f"BVH hierarchy is broken near word {at}: {error}") from error
    if not nodes:
        raise InputError("BVH hierarchy has no joints")
    return nodes


def _read_frames(text: str) -> tuple[float, np.ndarray]:
    lines = text.strip().splitlines()
    try:
        announced = int(lines[0].split(":")[1])
        frame_time_s = float(lines[1].split(":")[1])
        values = np.array([line.split() for line in lines[2:] if line.strip()], dtype=np.float64)
    except (IndexError, ValueError) as error:
        raise InputError(f"BVH motion block cannot be read: {error}") from error
    if values.ndim != 2 or len(values) != announced:
        raise InputError(f"BVH announces {announced} frames and has {len(values)}")
    return frame_time_s, values
