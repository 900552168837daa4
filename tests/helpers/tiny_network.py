"""The compact configuration with widths that run in a fraction of a second."""

from dataclasses import replace

from dpmesh.network.config import COMPACT

TINY_BACKBONE = replace(
    COMPACT.backbone,
    vae_channels=(8,),
    unet_channels=(16, 16, 16, 16),
    control_channels=(8, 8, 8, 8),
    context_dim=16,
    prompt_hidden=16,
    fused_channels=32,
)
TINY_REGRESSOR = replace(COMPACT.regressor, width=32, ffn=32, refine_ffn=32, volume_depth=4)
