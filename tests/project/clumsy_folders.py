"""What people hand in by mistake, and some on purpose: what is done to a good folder, and what it must hear."""

import io
import os
import pickle
import shutil
import zipfile

import numpy as np
import torch
from safetensors.torch import save_file

from statesdiff.project.submission import CHECKPOINTS, CODE, CONDITIONAL, REPORT, UNCONDITIONAL
from tests.project.broken_folders import content, remove, replace, tensor
from tests.project.good_folder import WEIGHTS, X

C2 = CONDITIONAL[2]
D, C = (f"{stem}.pt" for stem in CHECKPOINTS)


def move(old, new):
    def change(folder):
        (folder / new).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / old, folder / new)

    return change


def instead(old, new, make):
    """Without the file `old`, and with another, `new`, that `make(path)` writes."""

    def change(folder):
        remove(old)(folder)
        (folder / new).parent.mkdir(parents=True, exist_ok=True)
        make(folder / new)

    return change


def array(path):
    """As np.save does: a name that does not end in .npy gets it."""
    np.save(path, X.numpy())


def exactly(data):
    return lambda path: path.write_bytes(data)


def npy():
    buffer = io.BytesIO()
    np.save(buffer, X.numpy())
    return buffer.getvalue()


def npz():
    buffer = io.BytesIO()
    np.savez(buffer, X.numpy())
    return buffer.getvalue()


def zipped(name):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "x")
    return buffer.getvalue()


def into(inside):
    """Everything one or more folders too deep."""

    def change(folder):
        moved = folder.with_name("moved")
        shutil.move(folder, moved)
        (folder / inside).parent.mkdir(parents=True)
        shutil.move(moved, folder / inside)

    return change


def packed(name):
    def change(folder):
        for part in ("code", "outputs", "checkpoints"):
            remove(part)(folder)
        (folder / name).write_bytes(zipped("ada/code/data.py"))

    return change


def from_macos(folder):
    into("ada")(folder)
    (folder / "__MACOSX" / "ada" / "outputs").mkdir(parents=True)
    (folder / "__MACOSX" / "outputs").mkdir()


def many(folder):
    """A hundred thousand near misses would take long to compare."""
    remove(C2)(folder)
    for k in range(300):
        (folder / f"{k}").mkdir()
        for i in range(20):
            (folder / f"{k}" / f"cond_gen_sampel_{i}.pt").touch()


def link_beside(folder):
    remove(C2)(folder)
    (folder / "outputs" / "cond_gen_samples_2.npy").symlink_to("/etc/passwd")


class Evil:
    def __reduce__(self):
        return os.mkdir, ("created",)


NUMPY = "is? ?a NumPy array|a NumPy array"
CONVERTS = r"torch\.save\(torch\.from_numpy\(numpy\.load\(\"{}\"\)\), \"{}\"\) converts it"


def converts(found, wanted):
    return CONVERTS.format(found.replace(".", r"\."), wanted.replace(".", r"\."))


def rename(found, wanted):
    return rf"missing; there is {found}: .*{wanted}"


# name: (what is done to the folder, {line of the rubric or checkpoint: words of its message})
CLUMSY = {
    # samples under another name or in another format
    "an array in place of a tensor": (
        instead(CONDITIONAL[0], "outputs/cond_gen_samples_0.npy", array),
        {CONDITIONAL[0]: "missing; there is .*: " + converts("outputs/cond_gen_samples_0.npy", CONDITIONAL[0])},
    ),
    "what np.save makes of the name": (
        instead(UNCONDITIONAL, UNCONDITIONAL, array),
        {UNCONDITIONAL: "missing; there is .*: " + converts(f"{UNCONDITIONAL}.npy", UNCONDITIONAL)},
    ),
    "an array under the name of a tensor": (
        content(C2, npy()),
        {C2: "not a file written by torch.save, but a NumPy array .*: " + converts(C2, C2)},
    ),
    "an archive of arrays": (
        instead(C2, "outputs/cond_gen_samples_2.npz", exactly(npz())),
        {C2: "there is outputs/cond_gen_samples_2.npz: load it as an array x and torch.save"},
    ),
    "an archive of arrays under the name of a tensor": (
        content(C2, npz()),
        {C2: "an archive of NumPy arrays .*: save the tensor itself with torch.save, not numpy.savez"},
    ),
    "a table": (
        instead(C2, "outputs/cond_gen_samples_2.csv", exactly(b"0,1\n")),
        {C2: r"numpy\.loadtxt\(\"outputs/cond_gen_samples_2.csv\", delimiter=\",\"\)\), .* converts it"},
    ),
    "a table under the name of a tensor": (content(C2, b"0.1,0.2\n" * 9), {C2: "but a text file"}),
    "a safetensors file": (
        instead(C2, "outputs/cond_gen_samples_2.safetensors", lambda p: save_file({"x": X.clone()}, p)),
        {C2: r"safetensors\.torch\.load_file\(\"outputs/cond_gen_samples_2.safetensors\"\)"},
    ),
    "a safetensors file under the name of a tensor": (
        replace(C2, lambda p: save_file({"x": X.clone()}, p)),
        {C2: "but a safetensors file: load it and save it again with torch.save"},
    ),
    "a pickle": (content(C2, pickle.dumps([1.0])), {C2: "by pickle: save it with torch.save of PyTorch 1.6"}),
    "a web page in its place": (content(C2, b"<!DOCTYPE html><title>Sign in"), {C2: "but a web page"}),
    "a picture in its place": (content(C2, b"\x89PNG\r\n"), {C2: "but a PNG picture"}),
    "a pointer of Git LFS": (
        content(C2, b"version https://git-lfs.github.com/spec/v1\n"),
        {C2: "a pointer of Git LFS in place of the file"},
    ),
    "a zip archive in its place": (content(C2, zipped("a.txt")), {C2: "a zip archive, not one written by torch.save"}),
    "a gzip archive in its place": (content(C2, b"\x1f\x8b\x08" + bytes(99)), {C2: "but a gzip archive"}),
    "a Matlab file in its place": (content(C2, b"\x89HDF\r\n\x1a\n"), {C2: "but an HDF5 file"}),
    "half a file": (lambda f: (f / C2).write_bytes((f / C2).read_bytes()[:9000]), {C2: "damaged|not one written by"}),
    "another ending": (
        move(C2, "outputs/cond_gen_samples_2.pth"),
        {C2: rename("outputs/cond_gen_samples_2.pth", f"if torch.save wrote it, rename it to {C2}")},
    ),
    "no ending": (
        move(C2, "outputs/cond_gen_samples_2"),
        {C2: rename("outputs/cond_gen_samples_2", f"rename it to {C2}")},
    ),
    "a loud ending": (move(C2, "outputs/cond_gen_samples_2.PT"), {C2: rename(".*2.PT", f"it must be called {C2}")}),
    "capital letters": (move(C2, "outputs/Cond_Gen_Samples_2.pt"), {C2: rename(".*", f"it must be called {C2}")}),
    "hyphens": (move(C2, "outputs/cond-gen-samples-2.pt"), {C2: rename(".*", f"it must be called {C2}")}),
    "blanks": (move(C2, "outputs/cond gen samples 2.pt"), {C2: rename(".*", f"it must be called {C2}")}),
    "a second download": (move(C2, "outputs/cond_gen_samples_2 (1).pt"), {C2: rename(".*", f"it must be called {C2}")}),
    "a copy": (move(C2, "outputs/cond_gen_samples_2 copy.pt"), {C2: rename(".*", f"it must be called {C2}")}),
    "a misspelt name": (
        move(C2, "outputs/cond_gen_sample_2.pt"),
        {C2: rename("outputs/cond_gen_sample_2.pt", f"it must be called {C2}, if that is what it is")},
    ),
    "samples beside the folders": (
        move(C2, "cond_gen_samples_2.pt"),
        {C2: f"there is cond_gen_samples_2.pt: move it to {C2}"},
    ),
    "samples among the programs": (move(C2, "code/cond_gen_samples_2.pt"), {C2: f"there is code/.*: move it to {C2}"}),
    "samples in a folder of their own": (
        move(C2, "samples/cond_gen_samples_2.pt"),
        {C2: f"samples/.*: move it to {C2}"},
    ),
    "samples of classes from 1 to 5": (
        move(CONDITIONAL[0], "outputs/cond_gen_samples_5.pt"),
        {CONDITIONAL[0]: "there is outputs/cond_gen_samples_5.pt: the labels run from 0 to 4; if yours run from 1"},
    ),
    # samples of another kind
    "all that was drawn": (
        tensor(C2, X.repeat(5, 1)),
        {C2: r"25,000 points, hand in 5,000 of them, x\[torch.randperm\(len\(x\)\)\[:5000\]\]"},
    ),
    "a hundred": (tensor(C2, X[:100].clone()), {C2: "100 points are 4,900 too few"}),
    "none": (tensor(C2, torch.zeros(0, 2)), {C2: "0 points are 5,000 too few"}),
    "columns for rows": (tensor(C2, X.T.contiguous()), {C2: r"of shape \(2, 5000\): save x.T"}),
    "in one row": (tensor(C2, X.reshape(-1).clone()), {C2: r"save x.reshape\(5000, 2\), if its rows are points"}),
    "in a batch": (tensor(C2, X[None].clone()), {C2: r"shape \(1, 5000, 2\): save x.reshape\(5000, 2\)"}),
    "every step": (tensor(C2, torch.stack([X] * 3)), {C2: r"the points of t = 0 alone, x\[-1\] if they come last"}),
    "whole numbers": (tensor(C2, X.long()), {C2: r"int64 of shape \(5000, 2\): save x.float\(\)"}),
    "a number": (tensor(C2, 3.5), {C2: "must hold one tensor, got float"}),
    "text": (tensor(C2, "samples"), {C2: "must hold one tensor, got str"}),
    "nothing": (tensor(C2, None), {C2: "must hold one tensor, got NoneType"}),
    "a tensor in a dict": (tensor(C2, {"x": X}), {C2: "got dict: save the tensor inside it alone"}),
    "points and labels": (tensor(C2, (X, X[:, 0])), {C2: "got tuple: save the tensor inside it alone"}),
    "a list of numbers": (tensor(C2, X.tolist()), {C2: "must hold one tensor, got list$"}),
    "a list of arrays": (tensor(C2, [X.numpy()]), {C2: "convert arrays with torch.from_numpy"}),
    "with the wrong sign": (tensor(C2, torch._neg_view(X)), {C2: r"save tensor.resolve_neg\(\)"}),
    "complex": (tensor(C2, X * 1j), {C2: "save plain, dense, real tensors"}),
    "sparse": (tensor(C2, X.to_sparse()), {C2: "save plain, dense, real tensors"}),
    "in the units of a map": (tensor(C2, X * 100 + 500), {C2: "were the points rescaled"}),
    "NaN": (tensor(C2, X / 0 * 0), {C2: "has 10,000 values that are NaN or infinite"}),
    # the report
    "a report with a capital": (
        move(REPORT, "outputs/Report.pdf"),
        {REPORT: f"outputs/Report.pdf: it must be called {REPORT}"},
    ),
    "a report beside the folders": (move(REPORT, "report.pdf"), {REPORT: f"there is report.pdf: move it to {REPORT}"}),
    "a report to be exported": (
        instead(REPORT, "outputs/report.docx", exactly(zipped("word/document.xml"))),
        {REPORT: f"there is outputs/report.docx: export it as {REPORT}"},
    ),
    "a notebook for a report": (instead(REPORT, "report.ipynb", exactly(b"{}")), {REPORT: f"export it as {REPORT}"}),
    "a Word document called PDF": (
        content(REPORT, zipped("word/document.xml")),
        {REPORT: "is a Word document: .*export it"},
    ),
    "a web page called PDF": (content(REPORT, b"<html>"), {REPORT: "is a web page: it does not begin with %PDF-"}),
    "a picture called PDF": (content(REPORT, b"\xff\xd8\xff"), {REPORT: "is a JPEG picture"}),
    "an empty report": (content(REPORT, b""), {REPORT: "has 0 bytes"}),
    "a misspelt report": (
        move(REPORT, "outputs/reprot.pdf"),
        {REPORT: "there is outputs/reprot.pdf: .*if that is what"},
    ),
    # the programs
    "programs in a folder with a capital": (
        move("code", "Code"),
        {name: rf"missing; there is Code/{name[5:]}: move it to {name}" for name in CODE},
    ),
    "programs with no folder": (
        lambda f: [move(name, name[5:])(f) for name in CODE],
        {name: f"missing; there is {name[5:]}: move it to {name}" for name in CODE},
    ),
    "a notebook for a program": (
        move(CODE[0], "code/uncond_gen.ipynb"),
        {CODE[0]: f"there is code/uncond_gen.ipynb: save it as a program, {CODE[0]}"},
    ),
    "a program for Windows": (
        content(CODE[0], "\ufeffprint()\r\n".encode("utf-16")),
        {CODE[0]: "is not text in UTF-8"},
    ),
    "a misspelt program": (
        move(CODE[3], "code/clasifier.py"),
        {CODE[3]: "there is code/clasifier.py: .*if that is what"},
    ),
    "weights where a program should be": (remove(CODE[3]), {CODE[3]: "^missing$"}),
    # the checkpoints
    "another ending of a checkpoint": (
        move(D, "checkpoints/denoiser.pth"),
        {CHECKPOINTS[0]: f"there is checkpoints/denoiser.pth: if torch.save wrote it, rename it to {D}"},
    ),
    "a whole model": (tensor(C, torch.nn.Linear(2, 2)), {CHECKPOINTS[1]: r"save tensors, or the state_dict\(\)"}),
    "weights as arrays": (
        tensor(C, {k: w.numpy() for k, w in WEIGHTS.items()}),
        {CHECKPOINTS[1]: "convert arrays with torch.from_numpy"},
    ),
    "a folder of checkpoints with a capital": (
        move("checkpoints", "Checkpoints"),
        {stem: f"there is Checkpoints/.*: move it to {stem}.pt" for stem in CHECKPOINTS},
    ),
    # on purpose
    "a program in a pickle": (tensor(C2, Evil()), {C2: "holds more than plain tensors: '(posix|nt).mkdir'"}),
    "a link beside": (link_beside, {C2: "^missing$"}),
    "a name that a terminal would obey": (
        move(C2, "outputs/cond_gen_samples_2\x1b[2J.pt"),
        {C2: r"there is outputs/cond_gen_samples_2\?\[2J.pt"},
    ),
    "a name that is long": (move(C2, "outputs/cond_gen_samples_2" + " (1)" * 50 + ".pt"), {C2: "^missing"}),
    "thousands of near misses": (many, {C2: "missing; there is"}),
}

# name: (what is done to the folder, what the hint says); all marks are lost
TOO_DEEP = {
    "a folder in a folder": (into("ada"), "one folder further down, in ada: grade that one"),
    "unzipped twice": (into("ada/ada"), "two folders further down, in ada/ada: grade that one"),
    "three deep": (into("a/b/c"), "three folders further down, in a/b/c"),
    "from a Mac": (from_macos, "one folder further down, in ada: grade that one"),
    "still packed": (packed("ada.zip"), "There is an archive, ada.zip: unpack it and grade what is in it"),
    "packed by another program": (packed("ada.tar.gz"), "There is an archive, ada.tar.gz: unpack it"),
    "deeper than anyone would look": (into("a/b/c/d"), "^$"),
}
