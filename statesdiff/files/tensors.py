"""Reading other people's `.pt` files without unpickling: the pickle is followed on paper, nothing in it is called."""

import io
import math
import pickletools
import sys
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from statesdiff.files.formats import kind_of

# torch.load(weights_only=True) runs no foreign code, but believes what a file claims: a kilobyte of pickle that calls
# `bytearray` takes a gigabyte, and so does a deflated record. So we read the format ourselves, and bound everything.
MAX_PICKLE = 8 << 20  # bytes; the pickle of a network is a few kilobytes, a long list of losses a megabyte
MAX_OPCODES = 500_000  # about a second
MAX_RECORDS = 10_000  # one per tensor, and a few more
SPARE_BYTES = 1 << 20  # what the tensors may take beyond four times the size of the file: a little, for expanded views

DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
STORAGES = {f"{module}.{name}": dtype for module in ("torch", "torch.cuda") for name, dtype in DTYPES.items()}
LEAVES = (Tensor, str, int, float, bool, type(None))


class NotTensors(ValueError):
    """Why a file is refused, in words for the person who wrote it."""


class _Name(NamedTuple):
    """What a pickle says where a class or function is meant; it stays a name."""

    name: str


class _Storage(NamedTuple):
    values: Tensor


def read_tensors(content: bytes, name: str = "old.pt") -> Any:
    """What `torch.save` wrote: a tensor, a scalar or a string, or dicts, lists and tuples of them; tensors on the CPU.

    Nothing is imported, called or unpickled, and neither time nor memory grows beyond the order of the file's size.
    Parameters become tensors; devices and `requires_grad` are ignored. Raises NotTensors, a ValueError that says why,
    for all else; `name` is the file's, for the line that would convert it.
    """
    if not content.startswith(b"PK\x03\x04"):
        if content.startswith(b"\x80"):
            raise NotTensors(
                "written in PyTorch's old format or by pickle: save it with torch.save of PyTorch 1.6 or later"
            )
        kind = kind_of(content)
        raise NotTensors("not a file written by torch.save" + f", but {kind}" * bool(kind) + _how(kind, name))
    try:
        program, swap, record = _open(content, name)
        result = _Machine(record, swap, 4 * len(content) + SPARE_BYTES).run(program)
    except NotTensors:
        raise
    except Exception as error:  # a damaged file can make the zip reader and a stack machine stumble over anything
        raise NotTensors(f"damaged, or not written by torch.save ({type(error).__name__})") from error
    for leaf in leaves(result):
        if not isinstance(leaf, LEAVES):
            raise NotTensors("damaged: a part of a tensor stands alone")
    return result


def leaves(content: Any) -> Iterator[Any]:
    """Everything inside nested dicts, lists and tuples that is none of these, each object once: cycles do no harm."""
    todo, seen = [content], set()
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            todo.extend(value.values())
        elif type(value) in (list, tuple):
            todo.extend(value)
        else:
            yield value


def _open(content: bytes, name: str) -> tuple[bytes, bool, Callable[[str], bytes]]:
    """The pickle of a zip file, whether its numbers have the other byte order, and the reader of its records."""
    if content.count(b"PK\x01\x02") > MAX_RECORDS:  # before zipfile makes an object of each
        raise NotTensors(f"has more than {MAX_RECORDS} records")
    archive = zipfile.ZipFile(io.BytesIO(content))
    members = archive.infolist()
    if any(m.compress_type != zipfile.ZIP_STORED or m.file_size != m.compress_size for m in members):
        raise NotTensors("has compressed records, which torch.save never writes")
    if sum(m.file_size for m in members) > len(content):
        raise NotTensors("has records that overlap, which torch.save never writes")
    pickles = [m for m in members if m.filename.endswith("/data.pkl")]
    if len(pickles) != 1:
        kind = kind_of(content)
        raise NotTensors(f"{kind}, not one written by torch.save: it has no data.pkl{_how(kind, name)}")
    if pickles[0].file_size > MAX_PICKLE:
        raise NotTensors(f"describes its content in {pickles[0].file_size} bytes, more than {MAX_PICKLE}")
    folder = pickles[0].filename.removesuffix("data.pkl")
    order = archive.read(f"{folder}byteorder") if f"{folder}byteorder" in archive.namelist() else b"little"
    if order not in (b"little", b"big"):
        raise NotTensors(f"damaged: the byte order is {ascii(order[:20])}, neither little nor big")
    return archive.read(pickles[0]), order.decode() != sys.byteorder, lambda key: archive.read(f"{folder}data/{key}")


class _Machine:
    """The pickle machine, with the opcodes that plain tensors need; a call is looked up in a short list."""

    def __init__(self, record: Callable[[str], bytes], swap: bool, budget: int) -> None:
        self.record, self.swap, self.budget = record, swap, budget
        self.stack: list[Any] = []
        self.below: list[list] = []  # the stacks under each mark
        self.memo: dict[int, Any] = {}
        self.storages: dict[tuple, Tensor] = {}

    def run(self, program: bytes) -> Any:
        for n, (opcode, argument, _) in enumerate(pickletools.genops(program)):
            if n >= MAX_OPCODES:
                raise NotTensors(f"describes its content in more than {MAX_OPCODES} steps")
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name not in _OPCODES:
                raise NotTensors(f"holds more than plain tensors (pickle opcode {opcode.name})")
            _OPCODES[opcode.name](self, argument)
        raise NotTensors("damaged: its description does not end")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop_mark(self) -> list:
        items, self.stack = self.stack, self.below.pop()
        return items

    def mark(self, _: None) -> None:
        self.below.append(self.stack)
        self.stack = []

    def pack(self, n: int) -> None:
        self.stack[-n:] = [tuple(self.stack[-n:])]

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def extend(self, items: list) -> None:
        if type(self.stack[-1]) is not list:
            raise NotTensors("damaged: items for something that is no list")
        self.stack[-1].extend(items)

    def update(self, items: list) -> None:
        if type(self.stack[-1]) is not dict:
            raise NotTensors("damaged: entries for something that is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # small numbers and text cannot be chosen so that they collide, and are cheap to print
            if type(key) is not str and not (type(key) is int and 0 <= key < 2**31):
                raise NotTensors(f"has a dict key that is neither text nor a small number but {type(key).__name__}")
            self.stack[-1][key] = value

    def stack_name(self, _: None) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is not str or type(module) is not str:
            raise NotTensors("damaged: a name that is no text")
        self.name(f"{module} {name}")

    def memoize(self, _: None) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def name(self, argument: str) -> None:
        name = argument.replace(" ", ".")
        if name not in _CALLS and name not in STORAGES:
            raise NotTensors(f"holds more than plain tensors: {ascii(name[:80])}{_hint(name)}")
        self.push(_Name(name))

    def call(self, _: None) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(function) is not _Name or function.name not in _CALLS or type(arguments) is not tuple:
            raise NotTensors("damaged: a call of something that is no function")
        self.push(_CALLS[function.name](self, *arguments))

    def storage(self, _: None) -> None:
        """The persistent id ("storage", class, key, device, length); the device is where it was, and ignored."""
        kind, cls, key, _, n = self.stack.pop()
        if kind != "storage" or type(cls) is not _Name or cls.name not in STORAGES or type(key) is not str:
            raise NotTensors("damaged: a record that is no storage of a tensor")
        dtype = STORAGES[cls.name]
        if (key, dtype) not in self.storages:
            self.storages[key, dtype] = self.numbers(key, dtype)
        values = self.storages[key, dtype]
        if n != len(values):
            raise NotTensors(f"damaged: a record has {len(values)} numbers, and its tensor claims another number")
        self.push(_Storage(values))

    def numbers(self, key: str, dtype: torch.dtype) -> Tensor:
        raw = self.record(key)
        if len(raw) % dtype.itemsize:
            raise NotTensors(f"damaged: {len(raw)} bytes are no whole number of {dtype}")
        self.spend(len(raw))
        if not raw:
            return torch.empty(0, dtype=dtype)
        if self.swap:
            raw = np.frombuffer(raw, np.uint8).reshape(-1, dtype.itemsize)[:, ::-1].tobytes()
        return torch.frombuffer(bytearray(raw), dtype=dtype)

    def spend(self, n_bytes: int) -> None:
        self.budget -= n_bytes
        if self.budget < 0:
            raise NotTensors("its tensors would take far more memory than the file has bytes")

    def tensor(self, storage: _Storage, offset: int, size: tuple, stride: tuple, *more: Any) -> Tensor:
        """`torch._utils._rebuild_tensor_v2` with every bound checked: requires_grad and hooks, next, are ignored.

        Last come the marks of a view that is still to be negated or conjugated: its numbers are not the stored ones.
        """
        if more[2:] and more[2]:
            raise NotTensors("holds a negated or conjugated view: save tensor.resolve_neg().resolve_conj()")
        if type(storage) is not _Storage or type(size) is not tuple or type(stride) is not tuple:
            raise NotTensors("damaged: a tensor without storage, size or stride")
        whole = all(type(n) is int and 0 <= n < 2**40 for n in (offset, *size, *stride))
        if not whole or len(size) != len(stride) or len(size) > 8:
            raise NotTensors("damaged: a tensor of impossible size or stride")
        self.spend(math.prod(max(n, 1) for n in size) * storage.values.itemsize)
        if 0 in size:
            return storage.values.new_empty(size)
        last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
        if last >= len(storage.values):
            raise NotTensors(f"damaged: a tensor reaches to number {last} of a record of {len(storage.values)}")
        return storage.values.as_strided(size, stride, offset).clone(memory_format=torch.contiguous_format)

    def parameter(self, tensor: Tensor, *_: Any) -> Tensor:
        return tensor

    def build(self, _: None) -> None:
        """The attributes of an object: those of a state dict are its version numbers, which nobody needs here."""
        self.stack.pop()
        if type(self.stack[-1]) is not dict:
            raise NotTensors("damaged: attributes for something that is no state dict")


def _how(kind: str, name: str) -> str:
    if kind.startswith("a NumPy array"):
        return f': torch.save(torch.from_numpy(numpy.load("{name}")), "{name}") converts it'
    if "NumPy arrays" in kind:
        return ": save the tensor itself with torch.save, not numpy.savez"
    return ": load it and save it again with torch.save" if "safetensors" in kind else ""


def _hint(name: str) -> str:
    if name.startswith("numpy"):
        return "; convert arrays with torch.from_numpy and single numbers with float before torch.save"
    if name.startswith("torch._") or name.endswith("Storage"):
        return "; save plain, dense, real tensors"
    return "; save tensors, or the state_dict() of a model, not whole objects"


_CALLS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor_v2": _Machine.tensor,
    "torch._utils._rebuild_parameter": _Machine.parameter,
    "collections.OrderedDict": lambda machine: {},
    "torch.Size": lambda machine, size: size,
}
_OPCODES: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"), _Machine.push),
    **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE"), _Machine.push),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda m, index: m.push(m.memo[index])),
    **dict.fromkeys(("PROTO", "FRAME"), lambda m, _: None),
    "MEMOIZE": _Machine.memoize,
    "NONE": lambda m, _: m.push(None),
    "NEWTRUE": lambda m, _: m.push(True),
    "NEWFALSE": lambda m, _: m.push(False),
    "EMPTY_LIST": lambda m, _: m.push([]),
    "EMPTY_DICT": lambda m, _: m.push({}),
    "EMPTY_TUPLE": lambda m, _: m.push(()),
    "MARK": _Machine.mark,
    "TUPLE": lambda m, _: m.push(tuple(m.pop_mark())),
    "TUPLE1": lambda m, _: m.pack(1),
    "TUPLE2": lambda m, _: m.pack(2),
    "TUPLE3": lambda m, _: m.pack(3),
    "APPEND": lambda m, _: m.extend([m.stack.pop()]),
    "APPENDS": lambda m, _: m.extend(m.pop_mark()),
    "SETITEM": lambda m, _: m.update([m.stack.pop(-2), m.stack.pop()]),
    "SETITEMS": lambda m, _: m.update(m.pop_mark()),
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.stack_name,
    "BINPERSID": _Machine.storage,
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
}
