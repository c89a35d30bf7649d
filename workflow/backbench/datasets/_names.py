"""What the name of a file tells before it is opened (standard library only).

System files, videos, audio and documents among photographs are passed over because of their names, and counted. Other
names that begin with a dot are hidden and ignored. All other files are treated as images until they are read.
"""

import re
from pathlib import Path

from backbench.images import kinds

SYSTEM = "a system file or folder"
VIDEO, AUDIO = "a video", "an audio file"
DOCUMENT = "a document"
PACKED = "an archive"

# Folders and files that operating systems, file managers, cameras and network storage create, in lower case.
SYSTEM_FOLDERS = frozenset(
    {
        "__macosx",
        "__pycache__",
        "@eadir",
        "@recycle",
        "@recently-snapshot",
        "@tmp",
        "@sharebin",
        "@appstore",
        "@appdata",
        "@appconf",
        "@apptemp",
        "@apphome",
        "@database",
        "@docker",
        "@img_bkp_cache",
        "#recycle",
        "#snapshot",
    }
    | {"$recycle.bin", "recycler", "system volume information", "lost+found", "found.000", "ehthumbs"}
    | {"network trash folder", "temporary items", "thevolumesettingsfolder"}
    | {".thumbnails", ".thumbs", ".trash", ".trashes", ".trash-1000", ".appledouble", ".picasaoriginals", ".@__thumb"}
)
SYSTEM_FILES = frozenset(
    {
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "_ds_store",
        "icon",
        "icon\r",
        "picasa.ini",
        "zbthumbnail.info",
    }
    | {"folder.ini", "autorun.inf", "pspbrwse.jbf", "image.db", "albumart.pamp"}
)


# Folders of the same kind that have many names: of Synology, and of the previews of Lightroom.
SYSTEM_PATTERN = re.compile(r"@syno.*|.+\.(?:lrcat-data|lrdata)")

# Texts without a suffix.
TEXTS = frozenset(
    {"readme", "license", "licence", "copying", "copyright", "notice", "authors", "contributors", "citation"}
    | {"changelog", "changes", "makefile", "dockerfile", "todo", "version", "checksums", "md5sums", "sha256sums"}
)


def _kind(reason: str, suffixes: str) -> dict[str, str]:
    return {f".{suffix}": reason for suffix in suffixes.split()}


KINDS = {
    **_kind(
        VIDEO, "mp4 m4v mp mov avi mkv webm wmv mpg mpeg mpe 3gp 3g2 mts m2ts flv vob ogv mxf rm rmvb asf lrv insv"
    ),
    **_kind(AUDIO, "mp3 wav m4a aac ogg oga opus flac wma aif aiff amr mid"),
    **_kind(DOCUMENT, "txt md rst rtf csv tsv json jsonl geojson xml yaml yml toml ini cfg conf log html htm css js"),
    **_kind(DOCUMENT, "pdf doc docx odt xls xlsx ods ppt pptx odp tex bib key pages numbers"),
    **_kind(DOCUMENT, "py pyc ipynb m r sh bat ps1 c h cpp java mat npy npz h5 hdf5 pkl pickle parquet feather arrow"),
    **_kind(DOCUMENT, "pt pth ckpt onnx safetensors db sqlite sqlite3 db-shm db-wal tfrecord tfrec lmdb cache"),
    # World files of maps, and side files of raw converters.
    **_kind(DOCUMENT, "tfw jgw pgw wld prj ovr pp3 dop arp nksc on1 acr lrcat"),
    **_kind(DOCUMENT, "md5 sha1 sha256 sum xmp aae thm gpx kml url lnk torrent part crdownload tmp bak lock"),
    **_kind(PACKED, "zip tar gz tgz bz2 xz 7z rar zst"),
}
RASTERS = """
    jpg jpeg jpe jfif jif mpo png apng gif bmp dib tif tiff webp avif avifs heic heif hif jp2 j2k j2c jpc jpf jpx jxl
    ppm pgm pbm pnm pam qoi sgi rgb rgba bw ras sun tga ico dds
"""
CAMERA_RAWS = """
    cr2 cr3 crw nef nrw arw srf sr2 dng raf orf rw2 pef srw x3f 3fr erf kdc mrw raw rwl iiq
"""
IMAGES = frozenset(f".{suffix}" for suffix in (*RASTERS.split(), *CAMERA_RAWS.split()))
SIGNATURES = (
    *(b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"qoif", b"DDS ", b"\x01\xda", b"\0\0\0\x0cjP"),
    *(b"\xff\x4f\xff\x51", *(f"P{digit}".encode("ascii") for digit in range(1, 7))),
)


def hidden(name: str, folder: bool) -> bool:
    """Whether a file or folder of this name is hidden, and not a system folder among photographs."""
    return name.startswith(".") and not (folder and name.lower() in SYSTEM_FOLDERS)


def passed_over(name: str, folder: bool) -> str | None:
    """Why a file or folder of this name is not an image and holds none; None if it may."""
    lower = name.lower()
    if lower in TEXTS and not folder:
        return DOCUMENT
    if folder:
        return SYSTEM if lower in SYSTEM_FOLDERS or SYSTEM_PATTERN.fullmatch(lower) else None
    stem, dot, ending = lower.rpartition(".")
    return SYSTEM if lower in SYSTEM_FILES else KINDS.get(dot + ending if stem else "")


def is_image(path: Path) -> bool:
    """Whether a file is an image by its name, or else by its first bytes."""
    if path.suffix.lower() in IMAGES:
        return True
    try:
        with path.open("rb") as handle:
            return starts_image(handle.read(kinds.HEAD))
    except OSError:
        return False


def starts_image(head: bytes) -> bool:
    """Whether the first bytes of a file are those of an image."""
    bitmap = head[:2] == b"BM" and not any(head[6:10])
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    still = kinds.is_heif(head) or kinds.is_avif(head) or kinds.is_still(head)
    return head.startswith(SIGNATURES) or bitmap or webp or still
