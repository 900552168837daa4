"""Makes the animation on the first page from an overlay video.

dpmesh-video run pipeline/data/demo/demo.mp4 --detector bundled --side-view --start 2 --end 7 --output out/image
python docs/make_result_image.py out/image/demo/overlay.mp4 docs/images/result.webp
"""

import argparse
import sys
from pathlib import Path

import av
from PIL import Image

WIDTH_PX = 900
EVERY = 2  # frames: 12.5 a second of the demo clip's 25
QUALITY = 60
BYTES_MAX = 1_500_000


def read_frames(video: Path, every: int, width: int) -> tuple[list[Image.Image], float]:
    """Return every n-th frame of a video, made smaller, and the milliseconds each is shown."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_image() for count, frame in enumerate(container.decode(stream)) if count % every == 0]
        duration = 1000 * every / float(stream.average_rate or 25)
    size = (width, round(frames[0].height * width / frames[0].width))
    return [frame.resize(size, Image.Resampling.LANCZOS) for frame in frames], duration


def main() -> None:
    """Write the animation and print its size; end with an error where it is too large for a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path, help="an overlay.mp4")
    parser.add_argument("image", type=Path, help="the .webp or .gif to write")
    parser.add_argument("--every", type=int, default=EVERY, help="take every n-th frame (default: %(default)s)")
    parser.add_argument("--width", type=int, default=WIDTH_PX, help="in pixels (default: %(default)s)")
    parser.add_argument("--quality", type=int, default=QUALITY, help="of a .webp, 0 to 100 (default: %(default)s)")
    arguments = parser.parse_args()
    frames, duration = read_frames(arguments.video, arguments.every, arguments.width)
    first, *rest = frames
    arguments.image.parent.mkdir(parents=True, exist_ok=True)
    first.save(
        arguments.image,
        save_all=True,
        append_images=rest,
        duration=duration,
        loop=0,
        quality=arguments.quality,
        method=4,
    )
    size = arguments.image.stat().st_size
    sys.stdout.write(f"{arguments.image}: {len(frames)} frames, {size / 1e6:.2f} MB\n")
    if size > BYTES_MAX:
        sys.exit(f"{arguments.image}: more than {BYTES_MAX / 1e6} MB; lower --width or --quality, or raise --every")


if __name__ == "__main__":
    main()
