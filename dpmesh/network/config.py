"""What one DPMesh network is made of: widths, depths and the choices that differ between configurations."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args

Prompt = Literal["linear", "mlp"]
PositionCode = Literal["published", "sine"]
PoseHead = Literal["vposer", "tokens", "rot6d"]
CameraHead = Literal["published", "scale"]
Part = Literal["heatmaps", "prompts", "attention_maps", "latents"]

JOINT_COUNT = 30
"""Joints of the `dpmesh30` set: heat-map channels, prompt tokens and attention-map channels, in one order."""

QUERY_JOINT_COUNT = 15
"""Joints of the `dpmesh15` set: decoder queries."""

LATENT_PX = 32
"""Side of the latent, of the heat maps and of the grid in which joints are given."""

GRID = 8
"""Side of the fused feature."""

MAP_LEVELS = (1, 2)
"""U-Net levels (0 = latent size) whose cross-attention maps are kept: 16x16 and 8x8."""

SIZE_MAX, LAYERS_MAX, TUPLE_MAX = 2**16, 256, 16
HINT_COUNT = 12
"""Joints of the hints in 3D: `dpmesh.network.hints.HINT_JOINTS`."""

MAY_BE_NONE = {"lora_rank", "timestep", "encoder_layers", "refine_layers", "lift_layers"}


def _freeze_lists(config: "BackboneConfig | RegressorConfig") -> None:
    """Turn lists (what JSON gives) into tuples, so that equal configurations compare equal."""
    for item in fields(config):
        value = getattr(config, item.name)
        if isinstance(value, list):
            object.__setattr__(config, item.name, tuple(value))


def _check_values(config: "BackboneConfig | RegressorConfig") -> None:
    """Raise `ValueError` unless every field has the type of its default and a size that a network can have."""
    for item in fields(config):
        value = getattr(config, item.name)
        if isinstance(item.default, tuple):
            like = item.default[0] if item.default else ""
            if not isinstance(value, tuple) or len(value) > TUPLE_MAX or (item.default and not value):
                raise ValueError(f"{item.name} is {str(value)[:40]}, expected a list of 1 to {TUPLE_MAX} values")
            for part in value:
                _check_value(item.name, part, like)
        else:
            _check_value(item.name, value, item.default)


def _check_value(name: str, value: Any, like: Any) -> None:
    if isinstance(like, bool | str):
        if not isinstance(value, type(like)):
            raise ValueError(f"{name} is {str(value)[:40]!r}, expected {'true or false' if like in (0, 1) else 'text'}")
    elif isinstance(like, int):
        low, high = int(like > 0 and name not in MAY_BE_NONE), LAYERS_MAX if name.endswith("_layers") else SIZE_MAX
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"{name} is {str(value)[:40]}, expected a whole number from {low} to {high}")
    elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= SIZE_MAX:
        raise ValueError(f"{name} is {str(value)[:40]}, expected a number from 0 to {SIZE_MAX}")


def _check_choice(name: str, value: str, choices: Any) -> None:
    if value not in get_args(choices):
        raise ValueError(f"{name} is {value!r}; choose from {', '.join(get_args(choices))}")


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """Image encoder, U-Net, control branch, prompt and fusion. Defaults are the released network's."""

    image_px: int = 256
    patch_px: int = 1
    """Square of pixels folded into channels before the encoder; 1 folds nothing."""
    latent_channels: int = 4
    latent_moments: bool = True
    """Whether the encoder also has the variance channels of a VAE; only the mean is read."""
    vae_channels: tuple[int, ...] = (128, 256, 512, 512)
    vae_layers: int = 2
    vae_groups: int = 32
    vae_attention: bool = True
    vae_frozen: bool = True
    unet_channels: tuple[int, ...] = (320, 640, 1280, 1280)
    unet_layers: int = 2
    unet_groups: int = 32
    unet_heads: int = 8
    unet_attention: tuple[bool, ...] = (True, True, True, False)
    """Per level; the middle block always has attention."""
    context_dim: int = 768
    control_channels: tuple[int, ...] = (320, 640, 1280, 1280)
    control_attention: tuple[bool, ...] = (True, True, True, False)
    control_starts_at_zero: bool = True
    lora_rank: int = 64
    """Rank of the LoRA layers of the U-Net, whose other weights are then frozen; 0 for none."""
    prompt: Prompt = "linear"
    prompt_hidden: int = 0
    prompt_joint_identity: bool = False
    """Whether a learned vector per joint is added to its token."""
    prompt_absent_token: bool = False
    """Whether masked joints get a learned token instead of the one made from their coordinates."""
    heatmap_sigma: float = 2.5
    joint_drop: float = 0.1
    """Share of joints whose heat map is blanked at random while training."""
    timestep: int = 1
    keypoint_maps: bool = False
    """Whether the image also tells where its joints are: one map each, read off the finest tap."""
    fused_channels: int = 2048
    fused_groups: int = 16
    left_out: tuple[Part, ...] = ()
    """What is silenced, for ablations: empty heat maps, the same prompt for every crop, empty attention maps, empty
    latents, which are all that the U-Net sees of the image."""
    cnn_width: int = 0
    """First width of a CNN instead of encoder, control branch and U-Net (`dpmesh.network.cnn`); 0 for none."""

    def __post_init__(self) -> None:
        _freeze_lists(self)
        _check_values(self)
        for part in self.left_out:
            _check_choice("left_out", part, Part)
        if "prompts" in self.left_out and not self.prompt_absent_token:
            raise ValueError("left_out has 'prompts': all joints then get the absent token; set prompt_absent_token")
        stride = self.patch_px * 2 ** (len(self.vae_channels) - 1)
        if self.image_px != stride * LATENT_PX:
            raise ValueError(
                f"image_px {self.image_px} over the encoder's stride {stride} (patch_px x 2 per level of vae_channels)"
                f" must be {LATENT_PX}; set image_px to {stride * LATENT_PX} or change the levels"
            )
        for name in ("unet_channels", "unet_attention", "control_channels", "control_attention"):
            if len(getattr(self, name)) != 4:
                raise ValueError(f"{name} has {len(getattr(self, name))} levels; the feature taps need 4")
        if not all(self.unet_attention[level] for level in MAP_LEVELS):
            raise ValueError(f"unet_attention is {self.unet_attention}; levels {MAP_LEVELS} must attend to the joints")
        if self.cnn_width and self.image_px != 4 * LATENT_PX:
            raise ValueError(
                f"image_px is {self.image_px}: the CNN's stem halves twice, to {LATENT_PX}; set image_px to 128"
            )
        _check_choice("prompt", self.prompt, Prompt)
        if self.timestep >= 1000 or not self.heatmap_sigma or self.joint_drop > 1:
            raise ValueError(
                f"timestep {self.timestep}, heatmap_sigma {self.heatmap_sigma}, joint_drop {self.joint_drop}: they lie "
                "from 0 to 999, above 0, and from 0 to 1"
            )
        if self.prompt == "mlp" and self.prompt_hidden < 1:
            raise ValueError(f"prompt_hidden is {self.prompt_hidden}; the mlp prompt needs a hidden width")

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return what `left_out` may silence in this backbone."""
        if self.cnn_width:
            return ("heatmaps",)
        return tuple(part for part in get_args(Part) if part != "prompts" or self.prompt_absent_token)

    @property
    def row_bytes(self) -> int:
        """About how much memory one more crop takes in a call, in float32: seven maps of the encoder's first level.

        Measured on the released size: (8.51 - 6.94) GiB / 7 crops, `dpmesh-video bench network`.
        """
        return 7 * 4 * self.vae_channels[0] * (self.image_px // self.patch_px) ** 2


@dataclass(frozen=True, slots=True)
class RegressorConfig:
    """Anchor volume, cascade transformer and heads. Defaults are the released network's."""

    width: int = 256
    heads: int = 8
    ffn: int = 2048
    encoder_layers: int = 2
    decoder_layers: int = 4
    volume_depth: int = 8
    refine_layers: int = 2
    refine_heads: int = 8
    refine_ffn: int = 1024
    dropout: float = 0.1
    has_image: bool = True
    """Whether anything looks at the image; without, the body is what the lift makes of joints and hints."""
    joint_lift: int = 0
    """Hidden width of a perceptron that lifts the given joints straight to a first body; 0 for none."""
    lift_layers: int = 3
    """Its residual layers."""
    lift_mirrored: bool = False
    """Whether it also reads the joints as mirrored; the mean of both bodies counts."""
    image_lift: int = 0
    """Numbers per joint that this perceptron also reads, from the taps of the U-Net at the joint; 0 for none."""
    image_share: float = 1.0
    """How much counts, outside training, of what the image changes in the body that the lift makes of the joints alone;
    less than 1 where few drawn images taught it and real ones are to be read."""
    hint_lift: int = 0
    """Hidden width of a perceptron that corrects the lift's body by hints in 3D, where some are given; 0 for none."""
    position_code: PositionCode = "published"
    pose_head: PoseHead = "vposer"
    camera_head: CameraHead = "published"
    vposer_hidden: int = 512
    pose_code: int = 32
    token_count: int = 48
    token_classes: int = 2048
    token_dim: int = 256
    token_encoder: tuple[int, ...] = (4, 512, 64, 512)
    """Of the pose tokenizer: mixer layers, width, token-MLP width, channel-MLP width."""
    token_decoder: tuple[int, ...] = (1, 32, 64, 64)
    token_decay: float = 0.9
    token_attention_layers: int = 0
    """Of the pose tokenizer: self-attention layers over the tokens before they are decoded (the published
    `attention` variant has 4)."""

    def __post_init__(self) -> None:
        _freeze_lists(self)
        _check_values(self)
        for name in ("token_encoder", "token_decoder"):
            if len(getattr(self, name)) != 4:
                raise ValueError(f"{name} has {len(getattr(self, name))} values, expected 4")
        if self.width % self.refine_heads:
            raise ValueError(f"width {self.width} must be a multiple of refine_heads ({self.refine_heads})")
        if self.dropout > 1:
            raise ValueError(f"dropout is {self.dropout}; it is a share, from 0 to 1")
        if self.width % (4 * self.heads):
            raise ValueError(f"width {self.width} must be a multiple of 4 x heads ({4 * self.heads})")
        _check_choice("position_code", self.position_code, PositionCode)
        _check_choice("pose_head", self.pose_head, PoseHead)
        if self.joint_lift and self.pose_head != "rot6d":
            raise ValueError(f"joint_lift gives 24 rotations, pose_head is {self.pose_head!r}; set it to 'rot6d' or 0")
        if self.hint_lift and not self.joint_lift:
            raise ValueError(f"hint_lift is {self.hint_lift}, but no lift makes a body that hints could correct")
        if not self.has_image and (not self.joint_lift or self.image_lift):
            raise ValueError(
                f"has_image is false, with joint_lift {self.joint_lift} and image_lift {self.image_lift}; a network "
                "without an image needs a lift that reads none"
            )
        _check_choice("camera_head", self.camera_head, CameraHead)
        if not 0.0 <= self.image_share <= 1.0:
            raise ValueError(f"image_share is {self.image_share}; it is a share, from 0 to 1")


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """One configuration of the network."""

    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    regressor: RegressorConfig = field(default_factory=RegressorConfig)

    @classmethod
    def from_mappings(cls, backbone: Mapping[str, Any], regressor: Mapping[str, Any]) -> "NetworkConfig":
        """Build from the two mappings a checkpoint's `config.json` stores.

        Raises:
            ValueError: a key is unknown or a value does not fit.
        """
        for part, given in ((BackboneConfig, backbone), (RegressorConfig, regressor)):
            unknown = sorted(set(given) - {f.name for f in fields(part)})
            if unknown:
                raise ValueError(f"{part.__name__} does not know {', '.join(unknown)}; remove them from the config")
        return cls(BackboneConfig(**backbone), RegressorConfig(**regressor))

    def to_mappings(self) -> dict[str, dict[str, Any]]:
        """Return the arguments of `DPMesh`."""
        return {"backbone_config": asdict(self.backbone), "regressor_config": asdict(self.regressor)}


RELEASE = NetworkConfig()
"""The network of the authors' released checkpoints."""

PAPER = NetworkConfig(
    BackboneConfig(prompt="mlp", prompt_hidden=768, prompt_absent_token=True),
    RegressorConfig(position_code="sine", pose_head="tokens"),
)
"""As the paper describes it: sec. 3.2 (two-layer prompt of the visible joints, VQ-VAE pose tokens)."""

COMPACT = NetworkConfig(
    BackboneConfig(
        image_px=128,
        patch_px=4,
        latent_channels=16,
        latent_moments=False,
        vae_channels=(32,),
        vae_layers=1,
        vae_groups=8,
        vae_attention=False,
        vae_frozen=False,
        unet_channels=(32, 64, 128, 160),
        unet_layers=1,
        unet_groups=8,
        unet_heads=2,
        unet_attention=(False, True, True, False),
        context_dim=64,
        control_channels=(32, 48, 64, 96),
        control_attention=(False, False, True, False),
        control_starts_at_zero=False,
        lora_rank=0,
        prompt="mlp",
        prompt_hidden=64,
        prompt_joint_identity=True,
        prompt_absent_token=True,
        keypoint_maps=True,
        fused_channels=192,
    ),
    RegressorConfig(
        width=128,
        heads=4,
        ffn=256,
        refine_layers=1,
        refine_heads=1,
        refine_ffn=256,
        dropout=0.0,
        joint_lift=640,
        lift_mirrored=True,
        image_lift=24,
        image_share=0.5,
        position_code="sine",
        pose_head="rot6d",
        camera_head="scale",
    ),
)
"""Small enough to train and run on a CPU."""

PRESETS = {"release": RELEASE, "paper": PAPER, "compact": COMPACT}


def preset(name: str, **backbone: Any) -> NetworkConfig:
    """Return the configuration called `name`, with fields of its backbone replaced.

    Raises:
        ValueError: there is no such configuration.
    """
    if name not in PRESETS:
        raise ValueError(f"no network configuration is called {name!r}; choose from {', '.join(PRESETS)}")
    chosen = PRESETS[name]
    return replace(chosen, backbone=replace(chosen.backbone, **backbone)) if backbone else chosen
