"""What a file seems to be, by how it begins; for messages that say what came."""

# (beginning, name); the first that fits
BEGINNINGS = (
    (b"\x93NUMPY", "a NumPy array (.npy)"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF-", "a PDF file"),
    (b"\xd0\xcf\x11\xe0", "an old Word or Excel document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"{\\rtf", "a document in RTF"),
    (b"version https://git-lfs", "a pointer of Git LFS in place of the file"),
    (b"\x00\x05\x16\x07", "what macOS keeps beside a file"),
    (b"\x80", "a pickle"),
)


def kind_of(content: bytes) -> str:
    """Such as "a NumPy array (.npy)"; "" for a file that begins like nothing known."""
    if not content:
        return "an empty file"
    for beginning, name in BEGINNINGS:
        if content.startswith(beginning):
            return name
    if content.startswith(b"PK\x03\x04"):
        return _kind_of_zip(content)
    if content[8:9] == b"{" and int.from_bytes(content[:8], "little") < len(content):
        return "a safetensors file"
    head = content[:1000]
    if b"\0" in head or not _is_text(head):
        return ""
    return "a web page" if head.lstrip().lower().startswith((b"<!doctype", b"<html")) else "a text file"


def _kind_of_zip(content: bytes) -> str:
    inside = content[:4096] + content[-4096:]
    for part, name in ((b"word/", "a Word document"), (b".npy", "an archive of NumPy arrays (.npz)")):
        if part in inside:
            return name
    return "a file of torch.save" if b"data.pkl" in inside else "a zip archive"


def _is_text(head: bytes) -> bool:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # a letter that the cut divides
    return True
