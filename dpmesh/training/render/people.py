"""People drawn into pictures: clothes on bodies, light on clothes, and who is seen where."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dpmesh.training.render.clothing import Outfit
from dpmesh.training.render.light import Light, shade
from dpmesh.training.render.rasterise import Fragments, Surface, find_fragments, interpolate, project, resolve
from dpmesh.training.render.surface import BodySurface, vertex_normals

SUPERSAMPLE = 2


@dataclass(frozen=True, slots=True)
class Cast:
    """The people of several pictures, one row each, in camera axes."""

    vertices: Tensor  # (R, V, 3) metres, skin
    picture: Tensor  # (R,) int64, ascending
    focal_px: Tensor  # (R,) of the picture that is drawn
    principal_px: Tensor  # (R, 2)
    camera_from_world: Tensor  # (R, 3, 3)
    outfits: list[Outfit]
    lights: list[Light]


@dataclass(frozen=True, slots=True)
class Drawn:
    """The people of one picture, before anything is put behind or in front of them."""

    colour: np.ndarray  # (H, W, 3) float32 0 to 255, times alpha
    alpha: np.ndarray  # (H, W) float32
    row: np.ndarray  # (sH, sW) int32, row of the cast at every subpixel, -1 where nobody is
    depth: np.ndarray  # (sH, sW) float32 metres, infinity where nobody is


class PeopleRenderer:
    """Draws casts of one body model, on one device."""

    def __init__(self, surface: BodySurface, device: torch.device | str = "cpu") -> None:
        self.surface = surface
        self.device = torch.device(device)
        self._faces = torch.as_tensor(surface.faces, device=self.device)

    def stage(self, cast: Cast, pictures: int, width: int, height: int) -> Stage:
        """Return the cast projected into pictures of `width` x `height` pixels, not yet coloured."""
        normals = vertex_normals(cast.vertices, self._faces)
        thickness = torch.as_tensor(np.stack([o.thickness for o in cast.outfits]), device=self.device)
        cloth = torch.addcmul(cast.vertices, normals, thickness[..., None])
        scale = SUPERSAMPLE
        screen = project(cloth, cast.focal_px * scale, cast.principal_px * scale)
        fragments = find_fragments(screen, self._faces, width * scale, height * scale)
        return Stage(cast, cloth, normals, screen, fragments, self._faces, cast.picture, pictures)


@dataclass(frozen=True, slots=True)
class Stage:
    """A cast in front of its cameras; ask who hides whom, then draw."""

    cast: Cast
    cloth: Tensor  # (R, V, 3) outer surface
    normals: Tensor  # (R, V, 3)
    screen: Tensor  # (R, V, 3)
    fragments: Fragments
    faces: Tensor  # (F, 3)
    layer: Tensor  # (R,) int64, picture of each row, -1 for who is left out
    pictures: int

    def without(self, rows: Tensor) -> Stage:
        """Return the same stage with some rows (M,) gone from the pictures."""
        layer = self.layer.clone()
        layer[rows] = -1
        return replace(self, layer=layer)

    def seen(self) -> Surface:
        """Return what each picture shows."""
        return resolve(self.fragments, self.layer, self.pictures)

    def alone(self, rows: Tensor) -> Surface:
        """Return what each of some rows (M,) would show if nobody stood before it, one layer per row."""
        place = torch.full_like(self.layer, -1)
        place[rows] = torch.arange(len(rows), device=rows.device)
        return resolve(self.fragments, place, len(rows))

    def counts(self, surface: Surface) -> Tensor:
        """Return how many subpixels each row has on a surface (R,) int64."""
        return torch.bincount(surface.row, minlength=len(self.cast.picture))

    def draw(self, surface: Surface) -> list[Drawn]:
        """Return the people of every picture."""
        cast = self.cast
        albedo = torch.as_tensor(np.stack([o.albedo for o in cast.outfits]), device=self.screen.device)
        lit = shade(albedo, self.normals, cast.camera_from_world, cast.lights)
        linear = interpolate(surface, self.screen, self.faces, lit)
        # A square root stands in for the display's 2.2 power: the difference is a shade, the cost a tenth.
        colour = linear.clamp_(0, 1).sqrt_().mul_(255.0)
        layered = torch.cat([colour, torch.ones_like(colour[:, :1])], dim=1)
        small = surface.shrink(layered, SUPERSAMPLE).cpu().numpy()
        rows, depth = surface.rows().cpu().numpy(), surface.depth().cpu().numpy()
        return [Drawn(small[k, ..., :3], small[k, ..., 3], rows[k], depth[k]) for k in range(self.pictures)]
