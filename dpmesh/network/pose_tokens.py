"""Poses as discrete tokens: the VQ-VAE of the paper, after PCT (MLP mixers over joints)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dpmesh.network.config import RegressorConfig

BODY_JOINTS = 23
NUMBERS = 9
LAPLACE = 1e-5
TOKEN_HEADS = 8


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """What the tokenizer made of poses; `commitment` is the loss that keeps features near their codes."""

    poses: Tensor  # (R, 23, 9) rotation matrices, not orthonormalised
    classes: Tensor  # (R, tokens) int64
    commitment: Tensor  # ()


class MixerLayer(nn.Module):
    """Mixes over joints, then over channels; both results are added to the input."""

    def __init__(self, joints: int, width: int, token_hidden: int, channel_hidden: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.token1, self.token2 = nn.Linear(joints, token_hidden), nn.Linear(token_hidden, joints)
        self.channel1, self.channel2 = nn.Linear(width, channel_hidden), nn.Linear(channel_hidden, width)

    def forward(self, joints: Tensor) -> Tensor:
        """Map (R, joints, width) to the same shape."""
        turned = self.norm1(joints).transpose(1, 2)
        across = self.token2(F.gelu(self.token1(turned))).transpose(1, 2)
        within = self.channel2(F.gelu(self.channel1(self.norm2(joints + across))))
        return joints + across + within


class _AttentionLayer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = (
            lift(tokens).unflatten(-1, (TOKEN_HEADS, -1)).transpose(1, 2) for lift in (self.query, self.key, self.value)
        )
        heads = F.scaled_dot_product_attention(query, key, value, scale=tokens.shape[-1] ** -0.5)
        return self.out(heads.transpose(1, 2).flatten(2))


class TokenAttention(nn.Module):
    """Chained self-attention over placed tokens, without norms or residuals between; added to the tokens at the end.

    Source: common/vqvae/pct_vqvae_attention.py of github.com/EternalEvan/DPMesh. Scores are divided by the root of the
    full width, not of a head's.
    """

    def __init__(self, tokens: int, width: int, layers: int) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.zeros(tokens, width))
        self.layers = nn.ModuleList(_AttentionLayer(width) for _ in range(layers))

    def forward(self, codes: Tensor) -> Tensor:
        """Map (R, tokens, width) to the same shape."""
        mixed = codes + self.position
        for layer in self.layers:
            mixed = layer(mixed)
        return codes + mixed


class PoseTokenizer(nn.Module):
    """Encoder, codebook and decoder of body poses (root excluded).

    The codebook follows the encoder by exponential moving averages while training and stays as it is otherwise (the
    published code moves it in every forward pass, evaluation included).
    """

    codebook: Tensor
    cluster_size: Tensor
    code_sum: Tensor

    def __init__(self, config: RegressorConfig) -> None:
        super().__init__()
        tokens, dim, classes = config.token_count, config.token_dim, config.token_classes
        depth, width, *hidden = config.token_encoder
        self.decay = config.token_decay
        self.token_count = tokens
        self.enter = nn.Linear(NUMBERS, width)
        self.encoder = nn.ModuleList(MixerLayer(BODY_JOINTS, width, *hidden) for _ in range(depth))
        self.encoder_norm = nn.LayerNorm(width)
        self.to_tokens = nn.Linear(BODY_JOINTS, tokens)
        self.to_codes = nn.Linear(width, dim)
        self.attention = TokenAttention(tokens, dim, count) if (count := config.token_attention_layers) else None
        depth, width, *hidden = config.token_decoder
        self.from_tokens = nn.Linear(tokens, BODY_JOINTS)
        self.from_codes = nn.Linear(dim, width)
        self.decoder = nn.ModuleList(MixerLayer(BODY_JOINTS, width, *hidden) for _ in range(depth))
        self.decoder_norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, NUMBERS)
        codes = torch.randn(classes, dim)
        self.register_buffer("codebook", codes)
        self.register_buffer("cluster_size", torch.zeros(classes))
        self.register_buffer("code_sum", codes.clone())

    def encode(self, poses: Tensor) -> Tensor:
        """Return features (R, tokens, dim) of poses (R, 23, 9)."""
        hidden = self.enter(poses)
        for layer in self.encoder:
            hidden = layer(hidden)
        hidden = self.to_tokens(self.encoder_norm(hidden).transpose(1, 2)).transpose(1, 2)
        return self.to_codes(hidden)

    def nearest(self, features: Tensor) -> Tensor:
        """Return the class (R, tokens) of the code nearest to each feature (R, tokens, dim)."""
        codes = self.codebook
        distance = codes.square().sum(-1) - 2 * features @ codes.T
        return distance.argmin(-1)

    def decode(self, codes: Tensor) -> Tensor:
        """Return poses (R, 23, 9) of codes (R, tokens, dim)."""
        codes = codes if self.attention is None else self.attention(codes)
        hidden = self.from_codes(self.from_tokens(codes.transpose(1, 2)).transpose(1, 2))
        for layer in self.decoder:
            hidden = layer(hidden)
        return self.leave(self.decoder_norm(hidden))

    def decode_logits(self, logits: Tensor) -> Tensor:
        """Return poses (R, 23, 9) of token logits (R, tokens, classes), by the expected code of each token."""
        return self.decode(logits.float().softmax(-1).to(self.codebook.dtype) @ self.codebook)

    def forward(self, poses: Tensor) -> Reconstruction:
        """Encode, quantise and decode poses (R, 23, 9); in training mode the codebook moves afterwards."""
        features = self.encode(poses)
        classes = self.nearest(features)
        codes = self.codebook[classes]
        if self.training:
            self.move_codebook(features.detach(), classes)
        commitment = F.mse_loss(features, codes)
        through = features + (codes - features).detach()
        return Reconstruction(self.decode(through), classes, commitment)

    @torch.no_grad()
    def move_codebook(self, features: Tensor, classes: Tensor) -> None:
        """Move every code towards the mean of the features assigned to it.

        Source: van den Oord et al. 2017, appendix A.1, with Laplace smoothing of the cluster sizes.
        """
        one_hot = F.one_hot(classes.flatten(), len(self.codebook)).to(features.dtype)
        sums = torch.cat([one_hot.T @ features.flatten(0, 1), one_hot.sum(0)[:, None]], dim=1)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(sums)
        size = self.decay * self.cluster_size + (1 - self.decay) * sums[:, -1]
        total = size.sum()
        size = (size + LAPLACE) / (total + len(size) * LAPLACE) * total
        self.cluster_size.copy_(size)
        self.code_sum.copy_(self.decay * self.code_sum + (1 - self.decay) * sums[:, :-1])
        self.codebook.copy_(self.code_sum / size[:, None])
