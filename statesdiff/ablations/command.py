"""The command `statesdiff ablate`."""

import argparse
import time
from dataclasses import replace
from pathlib import Path, PurePath

import torch

from statesdiff.ablations.studies import STUDIES
from statesdiff.ablations.sweep import sweep
from statesdiff.files.arguments import count, in_unicode, output
from statesdiff.files.atomic import check_output
from statesdiff.results import write


def ablate(args: argparse.Namespace) -> None:
    """Run a study of the book and write its table; interrupted, it goes on where it was when it is called again."""
    study, out = STUDIES[args.study], check_output(args.out or f"{args.study}.csv")
    configs, seeds = (study.configs(), 20) if args.full else (study.quick(), 2)
    if args.data is not None:  # settings that differed in their data alone are now the same, and trained once
        configs = [replace(config, data=args.data) for config in configs]
    start, seeds = time.perf_counter(), args.seeds or seeds
    which = range(study.first_seed, study.first_seed + seeds)
    try:
        table = sweep(configs, which, folder=args.folder, workers=args.workers, device=args.device, progress=None)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on from here") from None
    table["data"] = table["data"].map(in_unicode)
    named = "" if args.data is None else f" --data {in_unicode(PurePath(args.data).name)}"
    options = f"{' --full' if args.full else ''}{named}"
    command = f"statesdiff ablate {args.study}{options} --seeds {seeds}"
    trained = f"{table.attrs['trained']} networks trained{place(args.device)}"  # the others were there
    took = f"{time.perf_counter() - start:.0f} s, {trained}"
    print(write(table, out, f"{command}: {study.about}; {took}"))


def place(device: str) -> str:
    """Where networks were trained, in words; nothing of the processor, which the table names anyway."""
    kind = torch.device(device).type
    return "" if kind == "cpu" else f" on {torch.cuda.get_device_name(device) if kind == 'cuda' else device}"


def device(text: str) -> str:
    """A device that PyTorch can reach here, such as "cpu" or "cuda"."""
    try:
        torch.empty(1, device=text)
    except (RuntimeError, AssertionError) as error:  # how PyTorch says "unknown" and "not built for this"
        reason = str(error).splitlines()[0]
        raise argparse.ArgumentTypeError(f"must be a device that PyTorch finds here, got {text} ({reason})") from error
    return text


def _options(p: argparse.ArgumentParser) -> None:
    p.add_argument("study", choices=STUDIES, metavar="NAME", help=", ".join(STUDIES))
    p.add_argument("--full", action="store_true", help="at full length; default: a tenth of the epochs and 2 seeds")
    p.add_argument("--data", help="a file of points (N, D), a toy set or states, in place of the study's own data sets")
    p.add_argument("--seeds", type=count, help="how many; default: 20 with --full, else 2")
    p.add_argument("--workers", type=count, help="how many threads; default: all processors")
    p.add_argument("--device", type=device, default="cpu", help="where networks are trained; default: cpu")
    p.add_argument("--folder", type=Path, default=Path("ablations"), help="keeps what is finished; default: ablations")
    p.add_argument("--out", type=output(".csv"), help="default: NAME.csv")


COMMANDS = {"ablate": ("run one of the book's ablations and write its table", _options, ablate)}
