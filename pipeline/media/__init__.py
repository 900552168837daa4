"""Videos in and out: what a file holds, its frames in order or at random, and H.264 files."""

from pipeline.media.info import VideoInfo
from pipeline.media.probe import probe
from pipeline.media.random_access import RandomFrames
from pipeline.media.read import read_frames
from pipeline.media.writer import VideoWriter

__all__ = ["RandomFrames", "VideoInfo", "VideoWriter", "probe", "read_frames"]
