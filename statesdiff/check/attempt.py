"""One call of the reader's function: whether there is an answer at all, what it returned, and what it did besides."""

import dis
import inspect
import re
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

IDLE = {"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE", "COPY_FREE_VARS"}  # a body that does nothing
NOISE = re.compile(r'"(check_uniform|normal_kernel|bernoulli).*not implemented for \'(Long|Int)\'')  # rand_like(y)
SIZES = re.compile(r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\)")


def untouched(answer: Any) -> bool:
    """Whether this is a skeleton: `...` or None, a container of nothing else, a function whose body is no more.

    A function that only raises NotImplementedError is one as well; the same error from within a library is not.
    """
    if answer is None or answer is ...:
        return True
    if isinstance(answer, dict | list | tuple):
        parts = list(answer.values()) if isinstance(answer, dict) else answer
        return bool(parts) and all(untouched(part) for part in parts)
    return isinstance(answer, FunctionType) and (_does_nothing(answer) or _only_raises(answer))


def _does_nothing(f: FunctionType) -> bool:
    steps = list(dis.get_instructions(f))
    constants = [step.argval for step in steps if step.opname in ("LOAD_CONST", "RETURN_CONST")]
    return {step.opname for step in steps} <= IDLE and all(map(untouched, constants))


def _only_raises(f: FunctionType) -> bool:
    steps = {step.opname for step in dis.get_instructions(f)}
    takes = any(name.startswith(("LOAD_FAST", "LOAD_DEREF", "STORE")) for name in steps)
    return "RAISE_VARARGS" in steps and f.__code__.co_names == ("NotImplementedError",) and not takes


def _only_none(got: Any) -> bool:
    """Whether this is None, or a container of nothing else."""
    if isinstance(got, dict | list | tuple):
        parts = list(got.values()) if isinstance(got, dict) else got
        return bool(parts) and all(map(_only_none, parts))
    return got is None


class Attempt:
    """One call: `got` is what the function returned, `fault` why that is nothing to compare, or empty.

    `untouched` says that the function is a skeleton, which is not called, `unfinished` that it met a `...` or made one.
    The function gets copies of the tensors and lists, `given`; the caller's own stay as they are.
    """

    def __init__(self, f: Callable[..., Any], *args: Any) -> None:
        self.f, self.args, self.given = f, args, [_copied(arg) for arg in args]
        self.got, self.fault, self.untouched, self.unfinished = None, "", untouched(f), False
        if self.untouched:
            return
        try:
            self.got = f(*self.given)
        except Exception as error:  # the reader's own code: report it, whatever it is
            self.unfinished = isinstance(error, TypeError | AttributeError) and "ellipsis" in str(error)
            self.fault = f"your function raised {type(error).__name__}: {error}{self._why(str(error))}"
            return
        if self.got is None:
            self.fault = "your function returned None: is `return` missing?"
        elif _only_none(self.got):
            self.fault = f"your function returned None alone, in a {type(self.got).__name__}: give each entry its value"
        else:
            self.unfinished = untouched(self.got)

    def _why(self, error: str) -> str:
        """What to add to an error of PyTorch's: arguments that were swapped, one number a row that met the rows."""
        if NOISE.match(error):
            return ": random numbers like whole numbers would be whole: torch.rand(y.shape) has the type of fractions"
        if "not implemented for 'Long'" in error or "floating point type for target" in error:
            return ": whole numbers have come where others belong; are two arguments in the wrong order?"
        found = SIZES.search(error)
        sizes = {int(size) for size in found.groups()} if found else set()
        shapes = [set(arg.shape) for arg in self.args if isinstance(arg, Tensor) and arg.dim() == 2]
        return ": one number a row has to be shaped (B, 1) to meet (B, D), as in a[:, None]" * (sizes in shapes)

    def overwritten(self) -> str:
        """The name of the first argument that the function has changed in place; empty if there is none."""
        for k, (arg, given) in enumerate(zip(self.args, self.given, strict=True)):
            if not _same(arg, given):
                return _name(self.f, k)
        return ""

    def differs_when_called_again(self) -> bool:
        """Whether a second call, with equal arguments, returns other numbers."""
        again = Attempt(self.f, *self.args)
        try:
            first, second = (torch.as_tensor(got, dtype=torch.float64) for got in (self.got, again.got))
        except (TypeError, ValueError, RuntimeError):
            return bool(again.fault)
        return first.shape != second.shape or not torch.allclose(first, second, equal_nan=True)


def _copied(arg: Any) -> Any:
    if isinstance(arg, Tensor):
        return arg.detach().clone()
    return list(arg) if isinstance(arg, list) else arg


def _same(arg: Any, given: Any) -> bool:
    if isinstance(arg, Tensor):
        return arg.shape == given.shape and torch.equal(arg, given.detach()) and not given.requires_grad
    return arg == given if isinstance(arg, list) else True


def _name(f: Callable[..., Any], k: int) -> str:
    """What the function calls its argument of that number."""
    try:
        return list(inspect.signature(f).parameters.values())[k].name
    except (ValueError, TypeError, IndexError):
        return f"argument {k + 1}"
