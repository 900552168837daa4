"""DPMesh: one crop with its 2D joints to one SMPL body."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from configs.checks import check_shape
from configs.diffusers_models import ConfigMixin, ModelMixin, register_to_config
from dpmesh.network.config import GRID, HINT_COUNT, JOINT_COUNT, QUERY_JOINT_COUNT, NetworkConfig, preset
from dpmesh.network.dense import AnchorVolume
from dpmesh.network.heads import (
    Cascade,
    body_with_flat_hands,
    orthonormal,
    published_translation,
    rot6d_to_matrix,
    scale_of,
    standing_rot6d,
)
from dpmesh.network.lift import FirstBody, JointLift
from dpmesh.network.pose_tokens import PoseTokenizer
from dpmesh.network.stored import read_network, write_network
from dpmesh.network.transformer import CascadeTransformer
from dpmesh.network.vposer import VPoserDecoder


@dataclass(frozen=True, slots=True)
class LayerPredictions:
    """The running result after each decoder layer, for supervision in depth; a lift comes before them."""

    root_rot6d: Tensor  # (L, R, 6)
    pose_raw: Tensor  # (L, R, ...) what the pose head of the configuration regresses
    betas: Tensor  # (L, R, 10)
    camera_raw: Tensor  # (L, R, 3)
    joint_img: Tensor  # (L, R, 15, 3)


@dataclass(frozen=True, slots=True)
class DPMeshOutput:
    """One body per row.

    `pose_raw` is the VPoser code (R, 32), the token logits (R, tokens, classes) or 24 rotations (R, 144). `scale` and
    `shift_m` are None where the camera head is the published one, `trans_m` where it is not or no focal length came.
    """

    pose: Tensor  # (R, 24, 3, 3) rotations, SMPL joint order, root first
    root_rot6d: Tensor  # (R, 6)
    pose_raw: Tensor
    betas: Tensor  # (R, 10)
    camera_raw: Tensor  # (R, 3)
    scale: Tensor | None  # (R,) half-crops that one metre spans
    shift_m: Tensor | None  # (R, 2) metres from the crop's centre to the pelvis, right and down
    trans_m: Tensor | None  # (R, 3)
    joint_img: Tensor  # (R, 15, 3) x, y over the crop, z over 2 m about the root; all 0 to 1
    feature: Tensor  # (R, fused_channels) fused feature, mean over the grid
    feature_2d: Tensor  # (R, width, 8, 8)
    feature_3d: Tensor  # (R, width, depth, 8, 8)
    scales: tuple[tuple[Tensor, ...], ...]  # per scale of 4, 8, 16 px: the U-Net's tap, its attention maps; () unseen
    layers: LayerPredictions
    joint_cues: Tensor | None  # (R, 30, 4) depth behind the root and direction from the parent, see `JointFeatures`
    keypoint_logits: Tensor | None  # (R, 30, 32, 32) where the image shows each joint; None without image or such maps


class DPMesh(ModelMixin, ConfigMixin):
    """The network of arXiv 2404.01424 in any of its configurations; see `dpmesh.network.config`."""

    @register_to_config
    def __init__(self, backbone_config: Mapping[str, Any], regressor_config: Mapping[str, Any]) -> None:
        """Build with random weights.

        Args:
            backbone_config: fields of `BackboneConfig` that differ from the released network's.
            regressor_config: fields of `RegressorConfig`, likewise.
        """
        super().__init__()
        self.settings = NetworkConfig.from_mappings(backbone_config, regressor_config)
        features, config = self.settings.backbone.fused_channels, self.settings.regressor
        body_tokens = 2 + (1 + config.token_count if config.pose_head == "tokens" else 1)
        backbone = self.settings.backbone
        self.joint_lift: JointLift | None = None
        self.root_head: nn.Module | None = None
        self.pose_prior: nn.Module | None = None
        if not config.has_image:
            self.joint_lift = JointLift(0, 144, (), config)
            self.joint_lift.start_at(standing_rot6d())
            return
        from dpmesh.network.backbone import Backbone  # here: a network without an image needs none of diffusers' parts
        from dpmesh.network.cnn import CnnBackbone

        # Not a union: most of what reads the parts of a backbone is for the U-Net alone.
        self.backbone: Any = CnnBackbone(backbone) if backbone.cnn_width else Backbone(backbone)
        self.volume = AnchorVolume(features, config)
        self.transformer = CascadeTransformer(features, body_tokens, config)
        if config.joint_lift:
            self.joint_lift = JointLift(
                body_tokens + QUERY_JOINT_COUNT, 144, self.settings.backbone.unet_channels, config
            )
        width, layers = config.width, config.decoder_layers
        if config.pose_head == "rot6d":
            self.pose_head = Cascade(width, 144, layers)
        else:
            self.root_head = Cascade(width, 6, layers)
            count = config.pose_code if config.pose_head == "vposer" else config.token_classes
            self.pose_head = Cascade(width, count, layers)
        if config.pose_head == "vposer":
            self.pose_prior = VPoserDecoder(config.pose_code, config.vposer_hidden)
        elif config.pose_head == "tokens":
            self.pose_prior = PoseTokenizer(config).requires_grad_(False)
        self.shape_head = Cascade(width, 10, layers)
        self.camera_head = Cascade(width, 3, layers)
        if config.pose_head == "rot6d" and not self.pose_head.steps[0].weight.is_meta:
            start = standing_rot6d()
            if self.joint_lift is not None:
                self.joint_lift.start_at(start)
                start = torch.zeros_like(start)
            self.pose_head.start_at(start)
            self.shape_head.start_at(torch.zeros(10))
            self.camera_head.start_at(torch.zeros(3))

    @classmethod
    def from_preset(cls, name: str) -> "DPMesh":
        """Return the configuration called `name` ("release", "paper" or "compact") with random weights."""
        return cls(**preset(name).to_mappings())

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, torch_dtype: torch.dtype | None = None) -> "DPMesh":  # type: ignore[override]
        """Return the network in a folder of `save_pretrained` or of an import, in evaluation mode.

        Stricter than the library's method, which fills what is missing with random numbers and says so in a log line.

        Raises:
            WeightsError: a file or tensor is missing, unknown or wrong, or VPoser is needed and was not imported.
        """
        return read_network(cls, Path(folder), torch_dtype)

    def without_image(self) -> "DPMesh":
        """Return the lift and what it makes of hints as a network of their own.

        Raises:
            ValueError: there is no lift.
        """
        config = self.settings.to_mappings()
        config["regressor_config"] |= {"has_image": False, "image_lift": 0, "image_share": 1.0}
        alone = DPMesh(**config)
        own = self.state_dict()
        alone.load_state_dict({name: own[name] for name in alone.state_dict()})
        return alone.to(next(self.parameters()).dtype).eval()

    def save_pretrained(self, folder: str | Path) -> None:  # type: ignore[override]
        """Write config and weights into a folder, without VPoser's weights, which may not be passed on."""
        write_network(self, Path(folder))

    def forward(
        self,
        image: Tensor | None,
        joints: Tensor,
        joints_mask: Tensor,
        focal_px: Tensor | None = None,
        hints: Tensor | None = None,
    ) -> DPMeshOutput:
        """Return one body per crop.

        Args:
            image: (R, 3, P, P) RGB in [0, 1], P the configuration's `image_px`. None: the joints alone decide, at a
                small part of the cost. The result is the lift's where there is one; else image features are zero. A
                network without `has_image` reads none.
            joints: (R, 30, 2) x, y of the `dpmesh30` joints in a 32x32 grid over the crop.
            joints_mask: (R, 30, 1) 0 where the joint was not seen, else how sure the detector is, up to 1. The lift
                alone reads the confidence; all else asks whether it is above 0.
            focal_px: (R,) focal length in pixels; only the published camera head reads it.
            hints: (R, 12, 4) joints in 3D from another source, see `dpmesh.network.hints`; only a lift with
                `hint_joints` reads them.
        """
        side = self.settings.backbone.image_px
        rows = check_shape("joints", joints, ("R", JOINT_COUNT, 2))["R"]
        check_shape("joints_mask", joints_mask, (rows, JOINT_COUNT, 1))
        if hints is not None:
            check_shape("hints", hints, (rows, HINT_COUNT, 4))
        image = image if self.settings.regressor.has_image else None
        taps: list[Tensor] | None = None
        scales: tuple[tuple[Tensor, ...], ...] = ()
        if image is None:
            width, depth = self.settings.regressor.width, self.settings.regressor.volume_depth
            logits = None
            nothing = joints.new_zeros(())
            fused = nothing.expand(rows, self.settings.backbone.fused_channels, GRID, GRID)
            volume = nothing.expand(rows, width, depth, GRID, GRID)
        else:
            check_shape("image", image, (rows, 3, side, side))
            seen = self.backbone(image, joints, (joints_mask > 0).to(joints_mask.dtype))
            fused, logits, taps = seen.features.fused, seen.keypoint_logits, seen.taps
            scales = seen.scales
            volume = self.volume(fused)
        first = None if self.joint_lift is None else self.joint_lift(joints, joints_mask, taps, hints)
        if image is None and first is not None:
            layers, grid_tokens = _layers_of(first), nothing.expand(rows, width, GRID, GRID)
        else:
            cascade = self.transformer(fused, self.volume, volume, first)
            layers, grid_tokens = self._regress(cascade.body_tokens, cascade.joint_img, first), cascade.grid_tokens
            fraction = self.settings.regressor.image_share
            if self.joint_lift is not None and fraction < 1.0 and not self.training:
                layers = _towards(layers, self.joint_lift(joints, joints_mask, None, hints), fraction)
        camera = layers.camera_raw[-1]
        is_scale = self.settings.regressor.camera_head == "scale"
        trans = None if is_scale or focal_px is None else published_translation(camera, focal_px, side)
        return DPMeshOutput(
            pose=self.pose_matrices(layers.root_rot6d[-1], layers.pose_raw[-1]),
            root_rot6d=layers.root_rot6d[-1],
            pose_raw=layers.pose_raw[-1],
            betas=layers.betas[-1],
            camera_raw=camera,
            scale=scale_of(camera) if is_scale else None,
            shift_m=camera[:, 1:].float() if is_scale else None,
            trans_m=trans,
            joint_img=layers.joint_img[-1],
            feature=fused.mean(dim=(2, 3)),
            feature_2d=grid_tokens,
            feature_3d=volume,
            scales=scales,
            layers=layers,
            joint_cues=None if first is None else first.cues,
            keypoint_logits=logits,
        )

    def pose_matrices(self, root_rot6d: Tensor, pose_raw: Tensor) -> Tensor:
        """Return rotations (R, 24, 3, 3) of one layer's root (R, 6) and what its pose head regressed."""
        if isinstance(self.pose_prior, VPoserDecoder):
            body = self.pose_prior(pose_raw)
        elif isinstance(self.pose_prior, PoseTokenizer):
            body = orthonormal(self.pose_prior.decode_logits(pose_raw).unflatten(-1, (3, 3)))
        else:
            return rot6d_to_matrix(pose_raw.unflatten(-1, (24, 6)))
        return body_with_flat_hands(rot6d_to_matrix(root_rot6d), body)

    def _regress(self, tokens: Tensor, joint_img: Tensor, first: FirstBody | None) -> LayerPredictions:
        """Run the cascades on the body tokens (L, R, B, width); a first body comes before the first layer's."""
        pose_token, shape_token, camera_token = tokens[:, :, 0], tokens[:, :, -2], tokens[:, :, -1]
        if first is not None:
            pose_raw = self.pose_head(pose_token, first.pose_raw)
            betas = self.shape_head(shape_token, first.betas)
            camera_raw = self.camera_head(camera_token, first.camera_raw)
            joint_img = torch.cat([first.joint_logit.sigmoid()[None], joint_img])
            return LayerPredictions(pose_raw[..., :6], pose_raw, betas, camera_raw, joint_img)
        if self.settings.regressor.pose_head == "tokens":
            pose_raw = self.pose_head(tokens[:, :, 1:-2])
        else:
            pose_raw = self.pose_head(pose_token)
        root = pose_raw[..., :6] if self.root_head is None else self.root_head(pose_token)
        return LayerPredictions(root, pose_raw, self.shape_head(shape_token), self.camera_head(camera_token), joint_img)


def _towards(layers: LayerPredictions, first: FirstBody, fraction: float) -> LayerPredictions:
    """Return bodies on the way from a first one to those of the layers."""
    pose_raw, betas, camera_raw = (
        torch.lerp(start, end, fraction)
        for start, end in (
            (first.pose_raw, layers.pose_raw),
            (first.betas, layers.betas),
            (first.camera_raw, layers.camera_raw),
        )
    )
    return LayerPredictions(pose_raw[..., :6], pose_raw, betas, camera_raw, layers.joint_img)


def _layers_of(first: FirstBody) -> LayerPredictions:
    """Return a first body as the only layer."""
    pose = first.pose_raw[None]
    joints = first.joint_logit.sigmoid()[None]
    return LayerPredictions(pose[..., :6], pose, first.betas[None], first.camera_raw[None], joints)
