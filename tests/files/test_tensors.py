"""The reader of .pt files: what students save comes back as it was; nothing that a file says is believed or done."""

import io
import pickle
import struct
import subprocess
import sys
import time
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from statesdiff.files.tensors import DTYPES, LEAVES, MAX_OPCODES, MAX_PICKLE, MAX_RECORDS, leaves, read_tensors

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


def saved(content, **options):
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archived(files, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def program(body, record=b"", **more):
    """A file with the pickle `body` and one record."""
    return archived({"a/data.pkl": b"\x80\x02" + body, "a/data/0": record, **more})


def integer(n):
    return b"J" + struct.pack("<i", n)


def numbers(*values):
    return b"(" + b"".join(map(integer, values)) + b"t"


def text(s):
    return b"X" + struct.pack("<I", len(s)) + s.encode()


def storage(kind="FloatStorage", key="0", n=6):
    return b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu") + integer(n) + b"tQ"


def tensor(offset=0, size=(3, 2), stride=(2, 1), **of):
    rest = integer(offset) + numbers(*size) + numbers(*stride) + b"\x89ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage(**of) + rest + b"tR"


SIX = np.arange(6, dtype="<f4").tobytes()


def same(got, want):
    if isinstance(want, torch.Tensor):
        assert type(got) is torch.Tensor and got.dtype == want.dtype and got.device.type == "cpu"
        assert not got.requires_grad and torch.equal(got, want.detach())
    elif isinstance(want, dict):
        assert type(got) is dict and list(got) == list(want)
        for key in want:
            same(got[key], want[key])
    elif isinstance(want, list | tuple):
        assert len(got) == len(want)
        for one, other in zip(got, want, strict=True):
            same(one, other)
    else:
        assert type(got) is type(want) and got == want


# What students save


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_every_kind_of_number(dtype):
    x = (X * 3).to(dtype)
    same(read_tensors(saved(x)), x)


VIEWS = {
    "whole": X,
    "a row": X[2],
    "a transposed part": X.T[1:3],
    "every second": X[::2, 1::2],
    "expanded": X[:1].expand(9, 4),
    "a scalar": X[0, 0],
    "empty": X[:0],
    "four dimensions": X.reshape(2, 3, 2, 2),
    "with gradient": X.clone().requires_grad_(),
    "a parameter": nn.Parameter(X),
}


@pytest.mark.parametrize("x", VIEWS.values(), ids=VIEWS.keys())
def test_every_kind_of_view(x):
    got = read_tensors(saved(x))
    same(got, x)
    assert got.is_contiguous()


def trained():
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2, bias=False))
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model(torch.ones(4, 2)).sum().backward()
    optimiser.step()
    return model, optimiser


def test_a_state_dict():
    model, _ = trained()
    same(read_tensors(saved(model.state_dict())), model.state_dict())


def test_a_checkpoint_with_everything_in_it():
    model, optimiser = trained()
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=5)
    content = {
        "model": model.state_dict(),
        "optimizer": optimiser.state_dict(),
        "schedule": schedule.state_dict(),
        "epoch": 3,
        "losses": [0.5, 0.25],
        "best": None,
        "done": True,
        "name": "é\n",
        "numbers": {0: -1, 300: 70_000, 2: 2**40, 3: -(2**40)},
        "shape": X.shape,
        "nested": [(X, [X.T]), {"x": X[1]}, ()],
    }
    same(read_tensors(saved(content)), content)


@pytest.mark.parametrize("content", [3, -0.5, "text", None, True, [X, X + 1], (X, 2), {}, [], OrderedDict(a=X)])
def test_other_plain_content(content):
    same(read_tensors(saved(content)), content)


def test_more_than_a_thousand_items_take_more_opcodes_of_other_kinds():
    content = {"losses": [float(i) for i in range(3000)], "names": [str(i) for i in range(300)]}
    same(read_tensors(saved(content)), content)


def test_a_tensor_from_a_gpu_comes_to_the_cpu():
    files = members(saved(X))
    moved = {name: data.replace(text("cpu"), text("cuda:0")) for name, data in files.items()}
    assert moved != files
    same(read_tensors(archived(moved)), X)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.uint8, torch.bool], ids=str)
def test_a_file_from_a_machine_with_the_other_byte_order(dtype):
    x = (X * 5).to(dtype)
    files = members(saved(x))
    raw = np.frombuffer(files["archive/data/0"], np.uint8).reshape(-1, x.itemsize)
    other = {"little": "big", "big": "little"}[sys.byteorder]
    files |= {"archive/data/0": raw[:, ::-1].tobytes(), "archive/byteorder": other.encode()}
    same(read_tensors(archived(files)), x)


def test_a_file_that_was_renamed_or_has_no_byte_order():
    files = {name.replace("archive", "denoiser v2"): data for name, data in members(saved(X)).items()}
    del files["denoiser v2/byteorder"]
    same(read_tensors(archived(files)), X)


def test_the_tensors_own_their_memory():
    first, second = read_tensors(saved([X, X[1:]]))  # they share a record
    first.zero_()
    same(second, X[1:])


def test_bytes_that_are_no_bool_become_one():
    got = read_tensors(program(tensor(kind="BoolStorage", n=4, size=(4,), stride=(1,)) + b".", bytes([0, 1, 2, 255])))
    assert got.view(torch.uint8).tolist() == [0, 1, 1, 1]


def test_the_crafted_files_of_this_module_are_read_when_they_are_true():
    same(read_tensors(program(tensor() + b".", SIX)), torch.arange(6.0).reshape(3, 2))


# What they save and should not: the message says what to do instead


class Model(nn.Linear):
    pass


HINTS = {
    "a NumPy array": (saved(np.zeros(3)), "convert arrays with torch.from_numpy"),
    "a NumPy number": (saved({"loss": np.float64(3)}), "single numbers with float"),
    "a model": (saved(nn.Linear(2, 2)), r"'torch.nn.modules.linear.Linear'; save tensors, or the state_dict\(\)"),
    "a model of one's own": (saved(Model(2, 2)), r"Model'; save tensors, or the state_dict\(\) of a model"),
    "a function": (saved(trained), r"not whole objects"),
    "a sparse tensor": (saved(X.to_sparse()), "save plain, dense, real tensors"),
    "a complex tensor": (saved(X * 1j), "save plain, dense, real tensors"),
    "a set": (saved({1, 2}), "holds more than plain tensors"),
    "bytes": (saved(b"abc"), "holds more than plain tensors"),
    "the format before 2020": (saved(X, _use_new_zipfile_serialization=False), "PyTorch 1.6 or later"),
    "a pickle": (pickle.dumps([1, 2]), "PyTorch 1.6 or later"),
    "an .npz": (archived({"data.npy": b"\x93NUMPY"}), "it has no data.pkl"),
    "a .npy": (b"\x93NUMPY\x01\x00", "not a file written by torch.save"),
    "text": (b"0.1 0.2\n", "not a file written by torch.save"),
    "nothing": (b"", "an empty file"),
    "a dict with tuples for keys": (saved({(0, 1): X}), "neither text nor a small number but tuple"),
}


@pytest.mark.parametrize(("content", "message"), HINTS.values(), ids=HINTS.keys())
def test_a_hint_for_what_cannot_be_read(content, message):
    with pytest.raises(ValueError, match=message):
        read_tensors(content)


# What an enemy would save


def doubled(depth, end=b"."):
    """A tuple of two of the tuple below, and so on: small in memory, endless for whoever walks through it naively."""
    return b")" + b"".join(b"q%c" % i + b"h%c" % i + b"\x86" for i in range(depth)) + end


def colliding():
    """A dict whose keys all have one hash, if numbers of any size were allowed."""
    keys = b"".join(b"\x8a\x0c" + (k * (2**61 - 1)).to_bytes(12, "little") + b"N" for k in range(1, 20_000))
    return b"}(" + keys + b"u."


def overlapping():
    """A hundred directory entries for one record: reading each would read it a hundred times."""
    content = archived({"a/data.pkl": b"\x80\x02N.", "a/data/0": bytes(10**6)})
    start = content.rindex(b"PK\x01\x02")
    end = content.rindex(b"PK\x05\x06")
    entry, tail = content[start:end], content[end:]
    first = content[content.index(b"PK\x01\x02") : start]
    directory = first + entry * 100
    tail = tail[:8] + struct.pack("<HHI", 101, 101, len(directory)) + tail[16:]
    return content[: content.index(b"PK\x01\x02")] + directory + tail


HOSTILE = {
    "code": (lambda: program(b"cos\nsystem\n" + text("touch created") + b"\x85R."), "'os.system'"),
    "an import": (lambda: program(b"cthis\ns\n."), "'this.s'"),
    "a name with control characters": (lambda: program(b"c\x1b[2J\nx\n."), r"'\\x1b\[2J.x'"),
    "an allowed name of another module": (lambda: program(b"cos\nOrderedDict\n)R."), "'os.OrderedDict'"),
    "bytearray": (
        lambda: program(b"c__builtin__\nbytearray\n" + integer(1 << 30) + b"\x85R."),
        "__builtin__.bytearray",
    ),
    "an object": (lambda: program(b"ctorch\nFloatStorage\n)\x81."), "opcode NEWOBJ"),
    "an instance": (lambda: program(b"(itorch\nFloatStorage\n."), "opcode INST"),
    "an extension": (lambda: program(b"\x82\x01."), "opcode EXT1"),
    "a text for a function": (lambda: program(text("collections.OrderedDict") + b")R."), "no function"),
    "a storage that is called": (lambda: program(b"ctorch\nFloatStorage\n)R."), "no function"),
    "a class alone": (lambda: program(b"ctorch\nFloatStorage\n."), "stands alone"),
    "a class in a list": (lambda: program(b"]ctorch\nFloatStorage\na."), "stands alone"),
    "a storage alone": (lambda: program(storage() + b".", SIX), "stands alone"),
    "a longer claim": (lambda: program(tensor(n=600, size=(300, 2)) + b".", SIX), "claims another number"),
    "a shorter claim": (lambda: program(tensor(n=2, size=(1, 2)) + b".", SIX), "claims another number"),
    "rows beyond the record": (
        lambda: program(tensor(size=(4, 2)) + b".", SIX),
        "reaches to number 7 of a record of 6",
    ),
    "a stride beyond the record": (lambda: program(tensor(stride=(3, 1)) + b".", SIX), "reaches to number 7"),
    "an offset beyond the record": (lambda: program(tensor(offset=1) + b".", SIX), "reaches to number 6"),
    "a negative offset": (lambda: program(tensor(offset=-1) + b".", SIX), "impossible size"),
    "a negative size": (lambda: program(tensor(size=(-3, 2)) + b".", SIX), "impossible size"),
    "a negative stride": (lambda: program(tensor(stride=(-2, 1)) + b".", SIX), "impossible size"),
    "fewer strides than sizes": (lambda: program(tensor(stride=(1,)) + b".", SIX), "impossible size"),
    "forty dimensions": (lambda: program(tensor(size=[1] * 40, stride=[1] * 40) + b".", SIX), "impossible size"),
    "half a number": (lambda: program(tensor() + b".", SIX[:-1]), "no whole number"),
    "a record that is not there": (lambda: program(tensor(key="9") + b".", SIX), "KeyError"),
    "a record elsewhere": (lambda: program(tensor(key="../../a/data.pkl") + b".", SIX), "KeyError"),
    "a terabyte of one number": (lambda: program(tensor(size=(1 << 20, 1 << 18), stride=(0, 0)) + b".", SIX), "memory"),
    "emptiness of enormous size": (lambda: program(tensor(size=(0, 1 << 30), stride=(1, 1)) + b".", SIX), "memory"),
    "many views of one record": (
        lambda: program(b"(" + tensor(size=(500, 500), stride=(0, 0)) * 9 + b"t.", SIX),
        "memory",
    ),
    "a bomb": (lambda: archived({"a/data.pkl": bytes(200 << 20)}, zipfile.ZIP_DEFLATED), "compressed"),
    "a compressed record": (lambda: archived(members(saved(X)), zipfile.ZIP_DEFLATED), "compressed"),
    "records that overlap": (overlapping, "overlap"),
    "two descriptions": (lambda: archived({"a/data.pkl": b"N.", "b/data.pkl": b"N."}), "has no data.pkl"),
    "too many records": (
        lambda: archived({f"a/data/{i}": b"" for i in range(MAX_RECORDS + 1)}),
        "more than 10000 records",
    ),
    "a long description": (lambda: archived({"a/data.pkl": bytes(MAX_PICKLE + 1)}), "more than 8388608"),
    "many steps": (lambda: program(b"N" * (MAX_OPCODES + 1) + b"."), "more than 500000 steps"),
    "no end": (lambda: program(b"N"), "damaged"),
    "an empty stack": (lambda: program(b"."), "damaged"),
    "no mark": (lambda: program(b"NNt."), "damaged"),
    "an unknown memory": (lambda: program(b"h\x07."), "damaged"),
    "an odd dict": (lambda: program(b"}(Nu."), "damaged"),
    "entries of a tensor": (lambda: program(tensor() + text("a") + b"Ns.", SIX), "no dict"),
    "items of a text": (lambda: program(text("a") + b"Na."), "no list"),
    "attributes of a text": (lambda: program(text("a") + b"Nb."), "no state dict"),
    "a doubled tuple as key": (lambda: program(b"}" + doubled(60, b"Ns.")), "but tuple"),
    "a doubled tuple as size": (
        lambda: program(
            b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage() + integer(0) + doubled(60, b"") + numbers(1) + b"tR.",
            SIX,
        ),
        "damaged",
    ),
    "a doubled tuple for a length": (
        lambda: program(
            b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + doubled(60, b"tQ."), SIX
        ),
        "claims another number",
    ),
    "keys that collide": (lambda: program(colliding()), "neither text nor a small number but int"),
    "a number of ten thousand digits": (lambda: program(b"I" + b"9" * 10_000 + b"\n."), "damaged|opcode INT"),
    "an unknown byte order": (
        lambda: program(tensor() + b".", SIX, **{"a/byteorder": b"middle\x1b"}),
        r"order is b'middle\\x1b'",
    ),
    "damaged numbers": (lambda: saved(X).replace(X.numpy().tobytes()[:8], bytes(8), 1), "BadZipFile"),
}


@pytest.mark.parametrize(("make", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_refused_at_once(make, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = make()
    start = time.process_time()
    with pytest.raises(ValueError, match=message) as refusal:
        read_tensors(content)
    assert time.process_time() - start < 5  # the longest allowed description takes one
    assert len(str(refusal.value)) < 300 and str(refusal.value).isprintable()
    assert list(tmp_path.iterdir()) == [] and "this" not in sys.modules


def test_structures_that_share_or_contain_themselves_are_walked_once():
    nested = read_tensors(program(doubled(60)))
    assert list(leaves(nested)) == []
    cycle = read_tensors(program(b"]q\x00h\x00aNa."))
    assert cycle[0] is cycle and list(leaves(cycle)) == [None]


MEASURE = """
import resource, sys
from pathlib import Path
from statesdiff.files.tensors import read_tensors
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        read_tensors(path.read_bytes())
    except ValueError:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss is kibibytes on Linux alone")
def test_hostile_files_take_no_memory(tmp_path):
    for i, (make, _) in enumerate(HOSTILE.values()):
        (tmp_path / f"{i}.pt").write_bytes(make())
    largest = max(path.stat().st_size for path in tmp_path.iterdir())
    command = [sys.executable, "-c", MEASURE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    # the bombs in the corpus would take 200 MiB to a terabyte; what a description of half a million steps needs is 60
    assert int(done.stdout) * 1024 < 100 * 2**20 + 2 * largest, done.stderr


# Any damage at all

GOOD = saved({"model": {"w": X, "b": X[0]}, "epoch": 3, "losses": [0.5, 0.25], "shape": X.shape})
PARTS = [
    *(bytes([c]) for c in b"(.0NIKMJGX]})luetaqrhjsbcQR\x80\x81\x85\x86\x87\x88\x89\x8a\x8c\x93\x94"),
    *(b"q\x00", b"h\x00", b"q\x01", b"h\x01", integer(0), integer(2), integer(-1), text("0"), text("storage")),
    *(storage(), tensor(), b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nSize\n"),
]


def read_or_refused(content):
    try:
        got = read_tensors(content)
    except ValueError as refusal:
        assert str(refusal).isprintable()
        return None
    assert isinstance(got, (dict, list, tuple, *LEAVES))
    assert all(isinstance(leaf, LEAVES) for leaf in leaves(got))
    return got


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=4), st.integers(0, len(GOOD)))
def test_a_damaged_file_is_read_or_refused_but_nothing_else(changes, length):
    content = bytearray(GOOD)
    for position, value in changes:
        content[position] = value
    read_or_refused(bytes(content))
    read_or_refused(bytes(content[:length]))


@settings(max_examples=1000)
@given(st.data())
def test_a_damaged_description_in_a_sound_archive(data):
    """The archive's checksums would refuse most damage before the description is looked at; here they are right."""
    files = members(GOOD)
    body = bytearray(files["archive/data.pkl"])
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(body)))
        end = start + data.draw(st.integers(0, 8))
        body[start:end] = data.draw(st.one_of(st.binary(max_size=3), st.sampled_from(PARTS)))
    read_or_refused(archived(files | {"archive/data.pkl": bytes(body)}))


@settings(max_examples=1000)
@given(st.lists(st.sampled_from(PARTS), max_size=25))
def test_any_description(parts):
    read_or_refused(program(b"".join(parts) + b".", SIX))


def test_the_undamaged_file_is_read():
    """Without this, the three tests above could pass because everything is refused."""
    assert read_or_refused(GOOD)["epoch"] == 3
