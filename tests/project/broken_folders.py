"""What may be wrong with a submission: for each way to break a good folder, the lines that it costs, and why."""

import os
import shutil
import socket

import torch

from statesdiff.project.submission import CHECKPOINTS, CODE, CONDITIONAL, REPORT, UNCONDITIONAL
from tests.project.good_folder import X


def remove(name):
    return lambda folder: shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()


def replace(name, make):
    """Put something else in place of the file or folder of that name."""

    def change(folder):
        remove(name)(folder)
        make(folder / name)

    return change


def content(name, data):
    return replace(name, lambda path: path.write_bytes(data))


def tensor(name, value):
    return replace(name, lambda path: torch.save(value, path))


def sparse(size):
    def make(path):
        with open(path, "wb") as file:
            file.truncate(size)

    return make


def unix_socket(path):
    here = os.getcwd()
    os.chdir(path.parent)  # the address of a socket may not be long
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path.name)
    os.chdir(here)


class Bomb:
    def __reduce__(self):
        return open, ("created", "w")


def nan_at(x, value):
    x = x.clone()
    x[7, 1] = value
    return x


SHAPE = r"must hold floating-point numbers of shape \(5000, 2\), got "
OUTPUTS = {REPORT, UNCONDITIONAL, *CONDITIONAL}
C2 = CONDITIONAL[2]

# name: (what is done to the folder, {line of the rubric or checkpoint: words of its message})
BROKEN = {
    "a program missing": (remove(CODE[1]), {CODE[1]: "missing"}),
    "an empty program": (content(CODE[0], b""), {CODE[0]: "has 0 bytes"}),
    "a blank program": (content(CODE[0], b" \n\n"), {CODE[0]: "nothing in it"}),
    "a program that is no text": (content(CODE[2], b"\xff\xfe\x00"), {CODE[2]: "is not text in UTF-8"}),
    "a program with zero bytes": (content(CODE[2], b"a\0b"), {CODE[2]: "zero bytes"}),
    "a program of two megabytes": (content(CODE[3], b"#" * (2 << 20)), {CODE[3]: "has 2,097,152 bytes"}),
    "a program that is a folder": (replace(CODE[3], os.mkdir), {CODE[3]: "is a folder, not a file"}),
    "no code": (remove("code"), dict.fromkeys(CODE, "missing")),
    "code that is a file": (content("code", b"print()"), dict.fromkeys(CODE, "code is a file, not a folder")),
    "code that is a link": (replace("code", lambda p: p.symlink_to("/")), dict.fromkeys(CODE, "code is a link")),
    "code that is a pipe": (replace("code", os.mkfifo), dict.fromkeys(CODE, "code is a pipe")),
    "no report": (remove(REPORT), {REPORT: "missing"}),
    "a report that is no PDF": (content(REPORT, b"PK\x03\x04 a Word file"), {REPORT: "does not begin with %PDF-"}),
    "a sparse report": (replace(REPORT, sparse(10 << 30)), {REPORT: "has 10,737,418,240 bytes"}),
    "a report that is a link": (
        replace(REPORT, lambda p: p.symlink_to("/etc/passwd")),
        {REPORT: "is a link, not a file"},
    ),
    "no outputs": (remove("outputs"), dict.fromkeys(OUTPUTS, "missing")),
    "no samples": (remove(UNCONDITIONAL), {UNCONDITIONAL: "missing"}),
    "empty samples": (content(C2, b""), {C2: "has 0 bytes"}),
    "samples that are text": (content(C2, b"0.1 0.2\n" * 5000), {C2: "not a file written by torch.save"}),
    "samples that are a link": (replace(C2, lambda p: p.symlink_to("/etc/passwd")), {C2: "is a link"}),
    "samples that are a link within": (replace(C2, lambda p: p.symlink_to("cond_gen_samples_1.pt")), {C2: "is a link"}),
    "samples that are a broken link": (replace(C2, lambda p: p.symlink_to("nowhere")), {C2: "is a link"}),
    "samples that are a link to themselves": (replace(C2, lambda p: p.symlink_to(p.name)), {C2: "is a link"}),
    "samples that are a pipe": (replace(C2, os.mkfifo), {C2: "is a pipe, not a file"}),
    "samples that are a socket": (replace(C2, unix_socket), {C2: "is a device or socket"}),
    "samples that are a folder": (replace(C2, os.mkdir), {C2: "is a folder, not a file"}),
    "sparse samples": (replace(C2, sparse(10 << 30)), {C2: "has 10,737,418,240 bytes, allowed are 1 to 67,108,864"}),
    "too few": (tensor(C2, X[:4999].clone()), {C2: SHAPE + r"float32 of shape \(4999, 2\)"}),
    "too many": (tensor(C2, torch.cat([X, X])), {C2: SHAPE + r"float32 of shape \(10000, 2\)"}),
    "sideways": (tensor(C2, X.T.contiguous()), {C2: SHAPE + r"float32 of shape \(2, 5000\)"}),
    "with time": (tensor(C2, torch.ones(5000, 3)), {C2: SHAPE + r"float32 of shape \(5000, 3\)"}),
    "flat": (tensor(C2, X.ravel()), {C2: SHAPE + r"float32 of shape \(10000,\)"}),
    "whole numbers": (tensor(C2, X.long()), {C2: SHAPE + "int64"}),
    "NaN": (tensor(C2, nan_at(X, float("nan"))), {C2: "has 1 values that are NaN or infinite"}),
    "infinite": (tensor(C2, nan_at(X, float("-inf"))), {C2: "has 1 values that are NaN or infinite"}),
    "far away": (tensor(C2, nan_at(X, -1e30)), {C2: r"has values up to 1e\+30, the states lie within 2"}),
    "a list": (tensor(C2, [X]), {C2: "must hold one tensor, got list"}),
    "a dict": (tensor(C2, {"samples": X}), {C2: "must hold one tensor, got dict"}),
    "NumPy": (tensor(C2, X.numpy()), {C2: "convert arrays with torch.from_numpy"}),
    "code in a pickle": (tensor(C2, Bomb()), {C2: "holds more than plain tensors"}),
    "a model in its place": (tensor(C2, torch.nn.Linear(2, 2)), {C2: r"save tensors, or the state_dict\(\)"}),
    "the old format": (
        replace(C2, lambda p: torch.save(X, p, _use_new_zipfile_serialization=False)),
        {C2: "save it with torch.save of PyTorch 1.6"},
    ),
    "too far off": (tensor(C2, X + 3), {C2: r"NLL \d+\.\d+, not below 2.5"}),
    "noise": (tensor(UNCONDITIONAL, torch.randn(5000, 2)), {UNCONDITIONAL: r"NLL 3\.\d+, not below 2.5"}),
    "no checkpoints": (remove("checkpoints"), dict.fromkeys(CHECKPOINTS, "missing")),
    "a checkpoint that is a model": (
        tensor("checkpoints/denoiser.pt", torch.nn.Linear(2, 2)),
        {CHECKPOINTS[0]: "'torch.nn.modules.linear.Linear'; save tensors, or the state_dict"},
    ),
    "a checkpoint that is a tensor": (
        tensor("checkpoints/classifier.pt", X),
        {CHECKPOINTS[1]: "must hold a state dict, got Tensor"},
    ),
    "a checkpoint without weights": (
        tensor("checkpoints/classifier.pt", {"epoch": 3, "n": torch.tensor(3)}),
        {CHECKPOINTS[1]: "there are no weights in it"},
    ),
    "a checkpoint with NaN": (
        tensor("checkpoints/denoiser.pt", {"w": torch.tensor([1.0, float("nan")])}),
        {CHECKPOINTS[0]: "has weights that are NaN or infinite"},
    ),
    "a checkpoint that is a pipe": (replace("checkpoints/denoiser.pt", os.mkfifo), {CHECKPOINTS[0]: "is a pipe"}),
}
