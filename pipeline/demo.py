"""The bundled clip."""

from pathlib import Path

DEMO_CLIP = Path(__file__).parent / "data" / "demo" / "demo.mp4"
DEMO_TRUTH = DEMO_CLIP.with_name("truth.npz")  # what the people in it truly do
