"""People drawn into images: clothes on bodies, light on clothes, and who is seen where."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dpmesh.training.render.clothing import Outfits
from dpmesh.training.render.layout import Views
from dpmesh.training.render.light import Lights, shade
from dpmesh.training.render.rasterise import Fragments, Surface, find_fragments, interpolate, project, resolve
from dpmesh.training.render.surface import BodySurface, vertex_normals

SUPERSAMPLE = 2
# Meshes and fragments per pass of the rasteriser: on a CPU they stay in its cache, on a GPU they keep it busy.
_CPU_PASS = (2, 1 << 16)
_GPU_PASS = (256, 1 << 24)


@dataclass(frozen=True, slots=True)
class Cast:
    """The people of N images, one row each, in camera axes."""

    vertices: Tensor  # (R, V, 3) metres, skin
    image_index: Tensor  # (R,) int64, ascending
    views: Views  # cameras of the images drawn
    outfits: Outfits
    lights: Lights


@dataclass(frozen=True, slots=True)
class Drawn:
    """The people of N images, before anything is put behind or in front of them."""

    colour: Tensor  # (N, H, W, 3) float32 0 to 255, times alpha
    alpha: Tensor  # (N, H, W) float32
    row: Tensor  # (N, sH, sW) int32, row of the cast at every subpixel, -1 where nobody is
    depth: Tensor  # (N, sH, sW) float32 metres, infinity where nobody is


class PeopleRenderer:
    """Draws casts of one body model, on one device."""

    def __init__(self, surface: BodySurface, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.surface = surface.each(lambda array: array.to(self.device))

    def stage(self, cast: Cast, width: int, height: int) -> Stage:
        """Return the cast projected into images of `width` x `height` pixels, not yet coloured."""
        faces = self.surface.faces
        normals = vertex_normals(cast.vertices, faces)
        cloth = torch.addcmul(cast.vertices, normals, cast.outfits.thickness[..., None])
        scale = SUPERSAMPLE
        views = cast.views.take(cast.image_index)
        screen = project(cloth, views.focal_px * scale, views.principal_px * scale, views.distortion)
        rows, candidates = _CPU_PASS if self.device.type == "cpu" else _GPU_PASS
        fragments = find_fragments(
            screen, faces, width * scale, height * scale, rows_at_once=rows, candidates_at_once=candidates
        )
        return Stage(cast, cloth, normals, screen, fragments, faces, cast.image_index)


@dataclass(frozen=True, slots=True)
class Stage:
    """A cast in front of its cameras; ask who hides whom, then draw."""

    cast: Cast
    cloth: Tensor  # (R, V, 3) outer surface
    normals: Tensor  # (R, V, 3)
    screen: Tensor  # (R, V, 3)
    fragments: Fragments
    faces: Tensor  # (F, 3)
    layer: Tensor  # (R,) int64, image of each row, -1 for who is left out

    @property
    def image_count(self) -> int:
        """Return N."""
        return len(self.cast.views.focal_px)

    def without(self, rows: Tensor) -> Stage:
        """Return the same stage with some rows (M,) gone from the images."""
        layer = self.layer.clone()
        layer[rows] = -1
        return replace(self, layer=layer)

    def seen(self) -> Surface:
        """Return what each image shows."""
        return resolve(self.fragments, self.layer, self.image_count)

    def alone(self, rows: Tensor) -> Surface:
        """Return what each of some rows (M,) would show if nobody stood before it, one layer per row."""
        place = torch.full_like(self.layer, -1)
        place[rows] = torch.arange(len(rows), device=rows.device)
        return resolve(self.fragments, place, len(rows))

    def counts(self, surface: Surface) -> Tensor:
        """Return how many subpixels each row has on a surface (R,) int64."""
        return torch.bincount(surface.row, minlength=len(self.cast.image_index))

    def draw(self, surface: Surface) -> Drawn:
        """Return the people of every image."""
        cast = self.cast
        lit = shade(cast.outfits.albedo, self.normals, cast.views.camera_from_world, cast.lights, cast.image_index)
        linear = interpolate(surface, self.screen, self.faces, lit)
        # A square root stands in for the display's 2.2 power: the difference is a shade, the cost a tenth.
        colour = linear.clamp_(0, 1).sqrt_().mul_(255.0)
        layered = torch.cat([colour, torch.ones_like(colour[:, :1])], dim=1)
        small = surface.shrink(layered, SUPERSAMPLE)
        return Drawn(small[..., :3], small[..., 3], surface.rows(), surface.depth())
