"""The cascade transformer: body and joint queries that read the image and sample the anchor volume."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dpmesh.network.attention_layers import DecoderLayer, EncoderLayer, grid_position
from dpmesh.network.config import GRID, QUERY_JOINT_COUNT, RegressorConfig
from dpmesh.network.dense import AnchorVolume
from dpmesh.network.lift import FirstBody

LOGIT_MARGIN = 1e-5


@dataclass(frozen=True, slots=True)
class CascadeOutput:
    """What the transformer gave, per decoder layer."""

    body_tokens: Tensor  # (L, R, B, width)
    joint_img: Tensor  # (L, R, 15, 3) x, y over the crop and z over 2 m about the root, all 0 to 1
    grid_tokens: Tensor  # (R, width, 8, 8) the image tokens before the encoder
    memory: Tensor  # (R, 64, width) after it


class CascadeTransformer(nn.Module):
    """Encoder over the image tokens, decoder with joint refinement after every layer."""

    positions: Tensor

    def __init__(self, feature_channels: int, body_tokens: int, config: RegressorConfig) -> None:
        super().__init__()
        width = config.width
        self.body_token_count = body_tokens
        self.reduce = nn.Conv2d(feature_channels, width, 1)
        self.encoder = nn.ModuleList(
            EncoderLayer(width, config.heads, config.ffn, config.dropout) for _ in range(config.encoder_layers)
        )
        self.decoder = nn.ModuleList(
            DecoderLayer(width, config.heads, config.ffn, config.dropout) for _ in range(config.decoder_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.body_start = nn.Parameter(0.02 * torch.randn(width))
        self.joint_start = nn.Parameter(0.02 * torch.randn(width))
        self.body_query = nn.Parameter(torch.randn(body_tokens, width))
        self.joint_query = nn.Parameter(torch.randn(QUERY_JOINT_COUNT, width))
        self.joint_regress = nn.ModuleList(
            nn.Linear(width + 3 * (layer > 0), 3) for layer in range(config.decoder_layers)
        )
        self.point_position = nn.Sequential(
            nn.Linear(3, width), nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, width)
        )
        table = grid_position(GRID, width, published=config.position_code == "published")
        self.register_buffer("positions", table, persistent=False)

    def forward(
        self, fused: Tensor, anchors: AnchorVolume, volume: Tensor, first: FirstBody | None = None
    ) -> CascadeOutput:
        """Run on a fused feature (R, C, 8, 8) and the volume that `anchors` made of it.

        The tokens of a first body are added to those that the decoder starts from, and its joints are refined.
        """
        rows = len(fused)
        grid_tokens = self.reduce(fused)
        memory = grid_tokens.flatten(2).transpose(1, 2)
        for layer in self.encoder:
            memory = layer(memory, self.positions)
        starts = torch.cat(
            [self.body_start.expand(self.body_token_count, -1), self.joint_start.expand(QUERY_JOINT_COUNT, -1)]
        )
        tokens = starts.expand(rows, -1, -1) if first is None else starts + first.tokens
        query = torch.cat([self.body_query, self.joint_query]).expand(rows, -1, -1)
        position = self.positions.expand(rows, -1, -1)
        source, source_position = memory, position
        bodies: list[Tensor] = []
        joints: list[Tensor] = []
        for layer, regress in zip(self.decoder, self.joint_regress, strict=True):
            if joints:
                source = torch.cat([memory, anchors.sample(volume, joints[-1])], dim=1)
                source_position = torch.cat([position, self.point_position(_logit(joints[-1]).to(memory.dtype))], dim=1)
            tokens = self.norm(layer(tokens, query, source, source_position))
            body, joint = tokens.split([self.body_token_count, QUERY_JOINT_COUNT], dim=1)
            bodies.append(body)
            if joints:
                joints.append(_refine(regress, joint, joints[-1]))
            else:
                step = regress(joint).float()
                joints.append((step if first is None else first.joint_logit + step).sigmoid())
        return CascadeOutput(torch.stack(bodies), torch.stack(joints), grid_tokens, memory)


def _refine(regress: nn.Module, tokens: Tensor, previous: Tensor) -> Tensor:
    """Return joints (R, 15, 3) in 0 to 1: a step from the previous layer's, in logits."""
    logit = _logit(previous)
    return (logit + regress(torch.cat([tokens, logit.to(tokens.dtype)], dim=-1)).float()).sigmoid()


def _logit(fraction: Tensor) -> Tensor:
    fraction = fraction.clamp(0.0, 1.0)
    # Each side keeps its distance from 0 in float32; `torch.logit` would round 1 - LOGIT_MARGIN first.
    return (fraction.clamp_min(LOGIT_MARGIN) / (1.0 - fraction).clamp_min(LOGIT_MARGIN)).log()
