"""Triangles to pixels: a batched rasteriser in plain torch, for meshes whose faces cover a few pixels each.

Faces are culled and boxed, every pixel centre inside a box becomes a candidate fragment, and one scatter-maximum over
packed (1/depth, fragment) keys settles which fragment each pixel shows. The same code runs on a CPU and on CUDA.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from dpmesh.training.render.lens import distort

NEAR_M = 0.05
_INDEX_BITS = 32


@dataclass(frozen=True, slots=True)
class Fragments:
    """Pixel centres covered by a face, in no depth order."""

    face: Tensor  # (M,) int64, row * F + face
    row: Tensor  # (M,) int64, mesh of the batch
    pixel: Tensor  # (M,) int64, y * width + x
    inverse_depth: Tensor  # (M,) float32, 1/metres
    second: Tensor  # (M,) float32, weight of the face's second corner on the screen
    third: Tensor  # (M,) float32, weight of its third
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Surface:
    """What each pixel of each layer shows."""

    layer_pixel: Tensor  # (S,) int64, (layer * height + y) * width + x of every covered pixel, ascending
    fragment: Tensor  # (S,) int64, place of the nearest fragment among `fragments`
    fragments: Fragments
    layers: int

    @property
    def width(self) -> int:
        """Return the window's width in pixels."""
        return self.fragments.width

    @property
    def height(self) -> int:
        """Return the window's height in pixels."""
        return self.fragments.height

    @property
    def row(self) -> Tensor:
        """Return the mesh seen at each covered pixel (S,) int64."""
        return self.fragments.row[self.fragment]

    @property
    def inverse_depth(self) -> Tensor:
        """Return 1/metres at each covered pixel (S,)."""
        return self.fragments.inverse_depth[self.fragment]

    def depth(self) -> Tensor:
        """Return the depth maps (layers, H, W) in metres, infinity where no mesh is."""
        inverse = self.inverse_depth
        out = inverse.new_full((self.layers * self.height * self.width,), torch.inf)
        out[self.layer_pixel] = 1.0 / inverse
        return out.view(self.layers, self.height, self.width)

    def rows(self) -> Tensor:
        """Return which mesh each pixel shows (layers, H, W) int32, -1 where none."""
        row = self.row
        out = torch.full((self.layers * self.height * self.width,), -1, dtype=torch.int32, device=row.device)
        out[self.layer_pixel] = row.int()
        return out.view(self.layers, self.height, self.width)

    def shrink(self, values: Tensor, scale: int) -> Tensor:
        """Return the mean of per-pixel values (S, C) over squares of `scale` pixels: (layers, H/s, W/s, C).

        Pixels that show nothing count as zero.
        """
        wide, high = self.width // scale, self.height // scale
        line = torch.div(self.layer_pixel, self.width, rounding_mode="floor")
        column = self.layer_pixel - line * self.width
        place = torch.div(line, scale, rounding_mode="floor") * wide + torch.div(column, scale, rounding_mode="floor")
        out = values.new_zeros(self.layers * wide * high, values.shape[-1])
        out.index_add_(0, place, values, alpha=1.0 / scale**2)
        return out.view(self.layers, high, wide, -1)


def project(points: Tensor, focal_px: Tensor, principal_px: Tensor, distortion: Tensor | None = None) -> Tensor:
    """Return pixel x, y and inverse depth (R, V, 3) of points (R, V, 3) in camera axes, metres.

    Args:
        points: (R, V, 3), x right, y down, z forward.
        focal_px: (R,) focal length.
        principal_px: (R, 2) principal point; pixel centres lie at half-integers.
        distortion: (R, 5) as in `lens`; edges stay straight, as faces are small.
    """
    inverse = 1.0 / points[..., 2:].clamp_min(NEAR_M / 2)
    xy = points[..., :2] * inverse
    if distortion is not None:
        xy = distort(xy, distortion)
    xy = xy * focal_px[:, None, None] + principal_px[:, None]
    return torch.cat([xy, inverse], dim=-1)


def find_fragments(
    screen: Tensor,
    faces: Tensor,
    width: int,
    height: int,
    *,
    rows_at_once: int = 2,
    candidates_at_once: int = 1 << 16,
) -> Fragments:
    """Return every (pixel centre, face) pair where the face, turned to the camera, covers the pixel.

    Args:
        screen: (R, V, 3) pixel x, y and 1/depth, from `project`.
        faces: (F, 3) int64; corners run counter-clockwise when seen from outside.
        width, height: of the window in pixels; what lies outside of it is dropped, as is a face nearer than `NEAR_M`.
        rows_at_once: meshes per pass: a few keep a CPU in its cache, many keep a GPU busy.
        candidates_at_once: about how many pixel centres are tried at once; likewise.
    """
    count = len(faces)
    near = _in_window(screen, width, height).nonzero().squeeze(1)
    found: list[tuple[Tensor, ...]] = []
    for some in near.split(rows_at_once):
        boxed = _box_faces(screen[some], faces, width, height)
        ends = (boxed.wide * boxed.high).cumsum(0)
        total = int(ends[-1]) if len(ends) else 0
        limits = torch.tensor(
            range(candidates_at_once, total, candidates_at_once), dtype=torch.int64, device=ends.device
        )
        cuts = [0, *torch.searchsorted(ends, limits).tolist(), len(ends)]
        for start, stop in itertools.pairwise(cuts):
            if start < stop:
                face, *rest = _walk_boxes(boxed, slice(start, stop), width)
                place = torch.div(face, count, rounding_mode="floor")
                found.append((face + (some[place] - place) * count, some[place], *rest))
    if not found:
        none = torch.zeros(0, dtype=torch.int64, device=screen.device)
        return Fragments(none, none, none, *3 * (screen.new_zeros(0),), width, height)
    face, row, pixel, inverse, b, c = (torch.cat(column) for column in zip(*found, strict=True))
    return Fragments(face, row, pixel, inverse, b, c, width, height)


def _in_window(screen: Tensor, width: int, height: int) -> Tensor:
    """Return which meshes (R,) bool may cover a pixel of the window."""
    if screen.shape[1] == 0:
        return torch.zeros(len(screen), dtype=torch.bool, device=screen.device)
    low, high = screen[..., :2].amin(1), screen[..., :2].amax(1)
    return ((high > 0) & (low < screen.new_tensor([width, height]))).all(1)


@dataclass(frozen=True, slots=True)
class _BoxedFaces:
    """Faces that may be seen, with their pixel boxes and what is linear on the screen across each."""

    face: Tensor  # (M,) int64, row * F + face
    first: Tensor  # (M,) int64, pixel of the box's corner
    wide: Tensor  # (M,) int64
    high: Tensor  # (M,) int64
    planes: tuple[Tensor, ...]  # nine of (M,): value at the corner, step in x, step in y of b, of c, of 1/depth


def _box_faces(screen: Tensor, faces: Tensor, width: int, height: int) -> _BoxedFaces:
    # One plain list per coordinate and corner: gathering whole rows of three is several times slower on a CPU.
    xs, ys, zs = (screen[..., k].reshape(-1) for k in range(3))
    base = torch.arange(len(screen), device=screen.device)[:, None] * screen.shape[1]
    ia, ib, ic = ((faces[:, k] + base).view(-1) for k in range(3))
    ax, ay = xs[ia], ys[ia]
    bx, by = xs[ib] - ax, ys[ib] - ay
    cx, cy = xs[ic] - ax, ys[ic] - ay
    area = bx * cy - by * cx
    # Counter-clockwise seen from outside is a negative area where y points down.
    face = (area < 0).nonzero().squeeze(1)
    ax, ay, bx, by, cx, cy = (t[face] for t in (ax, ay, bx, by, cx, cy))
    left = torch.ceil(torch.minimum(bx, cx).clamp_max(0) + ax - 0.5).clamp_min(0)
    top = torch.ceil(torch.minimum(by, cy).clamp_max(0) + ay - 0.5).clamp_min(0)
    right = torch.floor(torch.maximum(bx, cx).clamp_min(0) + ax - 0.5).clamp_max(width - 1)
    bottom = torch.floor(torch.maximum(by, cy).clamp_min(0) + ay - 0.5).clamp_max(height - 1)
    kept = ((right >= left) & (bottom >= top)).nonzero().squeeze(1)
    face = face[kept]
    az = zs[ia[face]]
    bz, cz = zs[ib[face]] - az, zs[ic[face]] - az
    # A face that reaches the near plane has no sound projection.
    ahead = (torch.maximum(bz, cz).clamp_min(0) + az < 1.0 / NEAR_M).nonzero().squeeze(1)
    face, kept = face[ahead], kept[ahead]
    az, bz, cz = az[ahead], bz[ahead], cz[ahead]
    ax, ay, bx, by, cx, cy = (t[kept] for t in (ax, ay, bx, by, cx, cy))
    left, top, right, bottom = left[kept], top[kept], right[kept], bottom[kept]

    # The weights of b and c and the inverse depth are linear on the screen, taken from the first pixel of the face's
    # box, where float32 is finest.
    area = bx * cy - by * cx
    x0, y0 = left + 0.5 - ax, top + 0.5 - ay
    b_x, b_y = cy / area, -cx / area
    c_x, c_y = -by / area, bx / area
    b_0, c_0 = b_x * x0 + b_y * y0, c_x * x0 + c_y * y0
    z_x, z_y, z_0 = b_x * bz + c_x * cz, b_y * bz + c_y * cz, az + b_0 * bz + c_0 * cz
    return _BoxedFaces(
        face=face,
        first=top.long() * width + left.long(),
        wide=(right - left).long() + 1,
        high=(bottom - top).long() + 1,
        planes=(b_0, b_x, b_y, c_0, c_x, c_y, z_0, z_x, z_y),
    )


def _walk_boxes(boxed: _BoxedFaces, part: slice, width: int) -> tuple[Tensor, ...]:
    """Return face, pixel, inverse depth and two corner weights of every covered pixel centre of some boxes."""
    wide, size = boxed.wide[part], boxed.wide[part] * boxed.high[part]
    b_0, b_x, b_y, c_0, c_x, c_y, z_0, z_x, z_y = (plane[part] for plane in boxed.planes)
    owner = torch.repeat_interleave(size)
    offset = torch.arange(len(owner), device=size.device) - (size.cumsum(0) - size)[owner]
    # Half a unit of slack makes the float division exact for boxes up to 2^23 pixels, and it is far cheaper than an
    # integer one.
    step = wide.to(b_0.dtype)[owner]
    fy = torch.floor((offset + 0.5) / step)
    fx = offset - fy * step
    wb = b_0[owner] + b_x[owner] * fx + b_y[owner] * fy
    wc = c_0[owner] + c_x[owner] * fx + c_y[owner] * fy
    inside = ((wb >= 0) & (wc >= 0) & (wb + wc <= 1)).nonzero().squeeze(1)
    owner, fx, fy = owner[inside], fx[inside], fy[inside]
    inverse = (z_0[owner] + z_x[owner] * fx + z_y[owner] * fy).clamp_min(1e-6)
    pixel = boxed.first[part][owner] + (fy * width + fx).long()
    return boxed.face[part][owner], pixel, inverse, wb[inside], wc[inside]


def resolve(fragments: Fragments, layer_of_row: Tensor, layers: int) -> Surface:
    """Return the nearest fragment of each pixel of each layer.

    Args:
        fragments: from `find_fragments`.
        layer_of_row: (R,) int64; meshes of one layer hide each other, a mesh of layer -1 is left out.
        layers: how many layers.
    """
    if len(fragments.face) >= 2**_INDEX_BITS:
        raise ValueError(
            f"{len(fragments.face)} fragments exceed {2**_INDEX_BITS} keys; rasterise fewer meshes at once"
        )
    size = fragments.width * fragments.height
    layer = layer_of_row[fragments.row]
    chosen = (layer >= 0).nonzero().squeeze(1)
    place = layer[chosen] * size + fragments.pixel[chosen]
    # Positive floats order as their bits do, so one integer maximum finds the nearest and says which it was.
    key = (fragments.inverse_depth[chosen].view(torch.int32).long() << _INDEX_BITS) | chosen
    best = key.new_full((layers * size,), -1)
    best.scatter_reduce_(0, place, key, reduce="amax")
    seen = (best >= 0).nonzero().squeeze(1)
    return Surface(seen, best[seen] & (2**_INDEX_BITS - 1), fragments, layers)


def interpolate(surface: Surface, screen: Tensor, faces: Tensor, values: Tensor) -> Tensor:
    """Return vertex values (R, V, C) at every covered pixel (S, C), correct in perspective."""
    vertices, count = screen.shape[1], len(faces)
    row, face = surface.row, surface.fragments.face[surface.fragment]
    index = faces[face - row * count] + (row * vertices)[:, None]
    # Values over depth are linear on the screen (Heckbert 1989).
    flat = (values * screen[..., 2:]).reshape(-1, values.shape[-1])
    b = surface.fragments.second[surface.fragment][:, None]
    c = surface.fragments.third[surface.fragment][:, None]
    out = flat[index[:, 0]] * (1.0 - b - c)
    out.addcmul_(flat[index[:, 1]], b).addcmul_(flat[index[:, 2]], c)
    return out / surface.inverse_depth[:, None]
