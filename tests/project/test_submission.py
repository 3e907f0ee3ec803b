"""How a folder is read: what counts, what is refused and in which words, and where the limits lie."""

import os
import shutil

import pytest
import torch
from safetensors.torch import save_file

from statesdiff.project import submission
from statesdiff.project.grade import grade
from statesdiff.project.submission import CHECKPOINTS, CODE, CONDITIONAL, check_folder, clean
from tests.project.good_folder import X
from tests.project.pages import INSTRUCTORS

C2 = CONDITIONAL[2]


def test_clean_cuts_and_strips():
    assert clean("a\tb\x00\x9bc é") == "a?b??c é"
    assert clean("x" * 300, 10) == "x" * 10 + "..."


def test_names_are_stripped_of_what_a_terminal_would_obey(good, tmp_path, full):
    odd = tmp_path / "x\x1b]0;title\x07\n\u202egpj.\udc80"
    graded = grade(shutil.copytree(good, odd), full)
    assert graded.folder == "x?]0;title???gpj.?"
    assert graded.marks["got"] == 85
    graded.to_json().encode()


@pytest.mark.parametrize(
    "make", [lambda p: None, lambda p: p.write_text("", encoding="utf-8"), lambda p: p.symlink_to("/"), os.mkfifo]
)
def test_what_is_no_folder_is_refused(make, tmp_path):
    make(tmp_path / "submission")
    for check in (check_folder, grade):
        with pytest.raises(ValueError, match="DIR"):
            check(tmp_path / "submission")
    with pytest.raises(ValueError, match="DIR: no folder"):
        grade(tmp_path / "a\0b")


def test_a_file_that_may_not_be_read(folder, full, monkeypatch):
    """For an administrator every file may be read, so the refusal is played."""
    really = os.open

    def refuse(path, *options, **more):
        if str(path).endswith(C2):
            raise PermissionError(13, "Permission denied")
        return really(path, *options, **more)

    monkeypatch.setattr(os, "open", refuse)
    lines = {line.item: line for line in grade(folder, full).rubric}
    assert lines[C2].got == 0 and lines[C2].message == "cannot be read (Permission denied)"
    assert lines[CONDITIONAL[1]].got == 5


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="for an administrator every file may be read")
def test_a_file_without_permissions(folder, full):
    (folder / C2).chmod(0)
    assert {line.item: line.message for line in grade(folder, full).rubric}[C2] == "cannot be read (Permission denied)"


def test_limits_are_enforced_where_they_are_stated(folder, full, monkeypatch):
    monkeypatch.setattr(submission, "MAX_CODE", (folder / CODE[0]).stat().st_size)
    assert grade(folder, full).rubric[0].got == 10
    monkeypatch.setattr(submission, "MAX_CODE", (folder / CODE[0]).stat().st_size - 1)
    assert [line.got for line in grade(folder, full).rubric[:5]] == [0, 0, 0, 0, 10]


def test_the_page_for_instructors_states_the_limits():
    page = INSTRUCTORS.read_text(encoding="utf-8")
    assert "64 MiB for samples and checkpoints, 50 MiB for the report, 1 MiB for a program" in page
    assert (submission.MAX_TENSORS, submission.MAX_REPORT, submission.MAX_CODE) == (64 << 20, 50 << 20, 1 << 20)


# Files in other forms that count


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_points_of_another_precision(folder, full, dtype):
    torch.save(X.to(dtype), folder / C2)
    assert {line.item: line.got for line in grade(folder, full).rubric}[C2] == 5


def test_a_slice_of_a_larger_tensor_and_one_with_gradients(folder, full):
    torch.save(torch.cat([X, X, X])[:5000], folder / C2)
    torch.save(X.clone().requires_grad_(), folder / CONDITIONAL[1])
    assert grade(folder, full).marks["got"] == 85


def test_weights_in_safetensors(folder, full):
    (folder / "checkpoints/denoiser.pt").unlink()
    save_file({"w": torch.ones(5, 2), "n": torch.tensor(3)}, folder / "checkpoints/denoiser.safetensors")
    assert grade(folder, full).checkpoints[CHECKPOINTS[0]] == "1 tensors, 10 weights"
    (folder / "checkpoints/denoiser.safetensors").write_bytes(b"\xff" * 99)
    assert grade(folder, full).checkpoints[CHECKPOINTS[0]] == "not a safetensors file (SafetensorError)"


def test_weights_of_eight_bits(folder, full):
    (folder / "checkpoints/denoiser.pt").unlink()
    save_file({"w": torch.ones(5, 2).to(torch.float8_e4m3fn)}, folder / "checkpoints/denoiser.safetensors")
    assert grade(folder, full).checkpoints[CHECKPOINTS[0]] == "1 tensors, 10 weights"


def test_the_weights_of_an_optimiser_do_not_count(folder, full):
    model = torch.nn.Linear(3, 2)
    optimiser = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    content = {"optimizer": optimiser.state_dict(), "model": model.state_dict(), "epoch": 3}
    torch.save(content, folder / "checkpoints/denoiser.pt")
    assert grade(folder, full).checkpoints[CHECKPOINTS[0]] == "2 tensors, 8 weights"
