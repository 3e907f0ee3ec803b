"""What a file seems to be, by how it begins."""

import io
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save

from statesdiff.files.formats import kind_of


def written(write):
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def zipped(*names):
    def write(buffer):
        with zipfile.ZipFile(buffer, "w") as archive:
            for name in names:
                archive.writestr(name, "x")

    return written(write)


KINDS = {
    "an empty file": b"",
    "a NumPy array (.npy)": written(lambda file: np.save(file, np.zeros(3))),
    "an archive of NumPy arrays (.npz)": written(lambda file: np.savez(file, x=np.zeros(3))),
    "a file of torch.save": written(lambda file: torch.save(torch.zeros(3), file)),
    "a safetensors file": save({"x": torch.zeros(3)}),
    "a pickle": written(lambda file: torch.save(torch.zeros(3), file, _use_new_zipfile_serialization=False)),
    "a Word document": zipped("[Content_Types].xml", "word/document.xml"),
    "a zip archive": zipped("a.txt"),
    "a PDF file": b"%PDF-1.7\n",
    "a gzip archive": b"\x1f\x8b\x08" + bytes(9),
    "a PNG picture": b"\x89PNG\r\n\x1a\n",
    "an HDF5 file": b"\x89HDF\r\n\x1a\n",
    "a pointer of Git LFS in place of the file": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 40\n",
    "what macOS keeps beside a file": b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X",
    "a web page": b"\n <!DOCTYPE html><title>Sign in</title>",
    "a text file": "0.1, 0.2\né".encode(),
    "": b"\x01\x02\x00\xff" * 9,
}


@pytest.mark.parametrize(("kind", "content"), KINDS.items(), ids=[kind or "nothing known" for kind in KINDS])
def test_a_file_is_named_by_how_it_begins(kind, content):
    assert kind_of(content) == kind


def test_a_letter_divided_at_the_end_of_what_is_looked_at_is_still_text():
    assert kind_of(b"x" * 999 + "é".encode()) == "a text file"
