"""Which names are videos and which are images: the one list for what is searched, read and refused."""

VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".mov", ".m4v", ".qt", ".avi", ".divx", ".mkv", ".webm", ".mk3d", ".3gp", ".3g2", ".ogv", ".ogm"),
        *(".ts", ".mts", ".m2ts", ".m2t", ".tod", ".trp", ".mpg", ".mpeg", ".mpe", ".mpv", ".vob", ".mod", ".m1v"),
        *(".m2v", ".wmv", ".asf", ".flv", ".f4v", ".rm", ".rmvb", ".mxf", ".gxf", ".dv", ".nut", ".wtv", ".gif"),
        *(".h264", ".264", ".avc", ".h265", ".265", ".hevc", ".h263", ".av1", ".obu", ".ivf", ".mjpeg", ".mjpg"),
        *(".y4m", ".lrv", ".insv", ".360"),
    }
)
IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".webp", ".avif"),
        *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".jp2"),
    }
)
# Formats of cameras that no decoder here reads, with what to do about them.
UNREAD_SUFFIXES = {
    **dict.fromkeys(
        (".heic", ".heif", ".hif"), "convert to JPEG, e.g. `heif-convert IN OUT.jpg`, or have the phone save JPEG"
    ),
    **dict.fromkeys((".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"), "develop to JPEG or 16-bit TIFF"),
    **dict.fromkeys((".r3d", ".braw", ".ari", ".crm"), "export as MP4 or ProRes with the maker's program"),
    **dict.fromkeys((".exr", ".hdr", ".dpx", ".cin"), "convert to PNG"),
}
AUDIO_SUFFIXES = frozenset({".ogg", ".oga", ".opus", ".m4a", ".m4b", ".mka", ".wma", ".ra"})  # in films' containers
