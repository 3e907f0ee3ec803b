"""Sphinx extension: in HTML the questions of a notebook wait for an answer before what follows is shown.

A Markdown cell has `quiz: {id, folds, answers: [{text, right, why, misconception}]}` in its metadata, and in its source
the texts of the answers, as a list. The page gets the list with its reasons, and one element around what gives the
answer away: the rest of the cell and the `folds` cells after it (2 unless said otherwise), up to the next heading. The
script quiz.js makes buttons of the one and folds the other, so that without scripts everything is open. Builders of
other formats leave the list as it is.
"""

import json
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform

BUILDERS = ("html", "dirhtml", "singlehtml")
VERDICTS = {True: "✓ Right.", False: "✗ Not right."}
CELL = 10_000  # MyST-NB numbers the lines of cell 0 from this on, those of cell 1 from twice this, and so on
CLEAR = "progress-clear"  # the class of the container that gets the button


class Quiz(nodes.General, nodes.Element):
    """A question's answers: a list whose items are `Answer`."""


class Answer(nodes.Part, nodes.Element):
    """One answer: its text, and the reason why it is right or not."""


class Fold(nodes.General, nodes.Element):
    """What is folded until the question before it is answered."""


def read_cells(path: Path) -> list[dict]:
    """Return the cells of the notebook at `path`; of any other file none."""
    return json.loads(path.read_text(encoding="utf-8"))["cells"] if path.suffix == ".ipynb" else []


def reason(answer: dict) -> nodes.paragraph:
    """Return the verdict and the reason of `answer`, whose formulas stand between dollar signs."""
    paragraph = nodes.paragraph("", "", nodes.strong("", VERDICTS[answer["right"]]), nodes.Text(" "))
    for k, part in enumerate(answer["why"].replace("'", "’").split("$")):
        paragraph += nodes.math(part, part) if k % 2 else nodes.Text(part)
    paragraph["classes"].append("quiz-why")
    return paragraph


def answers_of(document: nodes.document, cell: int, quiz: dict) -> nodes.bullet_list:
    """Return the list of answers in the cell of that number. Raises ExtensionError if it has none of that length."""
    for found in document.findall(nodes.bullet_list):
        if (found.line or 0) // CELL - 1 == cell and len(found) == len(quiz["answers"]):
            return found
    raise ExtensionError(f"the question {quiz['id']!r} has no list of its {len(quiz['answers'])} answers in its cell")


def fold(answers: nodes.Element, last: int) -> None:
    """Put what follows `answers` in its section, up to the end of cell `last`, into a `Fold`."""
    parent, start, stop = answers.parent, answers.parent.index(answers) + 1, None
    for k, node in enumerate(parent[start:], start):
        if isinstance(node, nodes.section) or (node.line or 0) // CELL - 1 > last:
            break
        stop = k + 1
    folded = parent[start:stop] if stop else []
    parent[start : start + len(folded)] = [Fold("", *folded)]


def ask(document: nodes.document, cell: int, quiz: dict) -> None:
    """Replace the list of answers in the cell of that number by a `Quiz`, and fold what gives the answer away."""
    listed = answers_of(document, cell, quiz)
    parent, k = listed.parent, listed.parent.index(listed)
    question = f"question-{quiz['id']}"
    parent[k - 1]["ids"].append(question)
    fold(listed, cell + quiz.get("folds", 2))
    made = Quiz("", quiz=quiz["id"], question=question)
    for item, answer in zip(listed, quiz["answers"], strict=True):
        text = nodes.inline("", "", *item[0].children, classes=["quiz-text"])
        made += Answer("", text, reason(answer), answer=answer.get("misconception", "right"))
    parent[k] = made


class AskQuestions(SphinxPostTransform):
    """Make the questions of a notebook."""

    default_priority = 100
    builders = BUILDERS

    def run(self, **kwargs: object) -> None:
        """Read the notebook for its questions, which are not in the document."""
        for number, cell in enumerate(read_cells(Path(self.env.doc2path(self.env.docname)))):
            if "quiz" in cell["metadata"]:
                ask(self.document, number, cell["metadata"]["quiz"])


def note_labels(app: Sphinx, doctree: nodes.document) -> None:
    """Let every question be linked to, `{ref}`words <question-NAME>``; its place is made later, by `ask`."""
    labels = app.env.get_domain("std").anonlabels
    for cell in read_cells(Path(app.env.doc2path(app.env.docname))):
        if "quiz" in cell["metadata"]:
            name = f"question-{cell['metadata']['quiz']['id']}"
            labels[name] = app.env.docname, name


def visit_quiz(self, node: Quiz) -> None:
    labels = {"data-quiz": node["quiz"], "role": "group", "aria-labelledby": node["question"]}
    self.body.append(self.starttag(node, "div", CLASS="quiz", **labels) + "<ul>\n")


def visit_answer(self, node: Answer) -> None:
    self.body.append(self.starttag(node, "li", "", **{"data-answer": node["answer"]}))


def visit_fold(self, node: Fold) -> None:
    self.body.append(self.starttag(node, "div", CLASS="quiz-fold"))


def leave(closing: str):
    """Return the function that ends a node with the tags `closing`."""
    return lambda self, node: self.body.append(closing)


def count(app: Sphinx, config: object) -> None:
    """Keep what there is to do in each notebook where a change of it rewrites the pages."""
    totals = {}
    for path in sorted(Path(app.srcdir).glob("notebooks/*.ipynb")):
        cells = read_cells(path)
        quizzes = [cell["metadata"]["quiz"]["id"] for cell in cells if "quiz" in cell["metadata"]]
        markdown = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
        totals[path.stem] = [quizzes, sum(f"\n{text}".count("\n### Exercise ") for text in markdown)]
    config.html_context["progress_totals"] = totals


def add_assets(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Every page gets the progress in its contents, a page with something to do the rest."""
    if app.builder.name not in BUILDERS:
        return
    totals = json.dumps(app.config.html_context["progress_totals"], separators=(",", ":"))
    app.add_js_file(None, body=f"window.statesdiffTotals = {totals};", priority=400)
    app.add_js_file("progress.js")
    asked = doctree is not None and (
        any(doctree.findall(Quiz))
        or any(section["ids"][0].startswith("exercise-") for section in doctree.findall(nodes.section))
        or any(CLEAR in container["classes"] for container in doctree.findall(nodes.container))
    )
    if asked:
        app.add_js_file("quiz.js")
        app.add_css_file("quiz.css")


def setup(app: Sphinx) -> dict:
    """Register the nodes, the transform and the hooks."""
    for node, visit, closing in ((Quiz, visit_quiz, "</ul></div>\n"), (Answer, visit_answer, "</li>\n")):
        app.add_node(node, html=(visit, leave(closing)))
    app.add_node(Fold, html=(visit_fold, leave("</div>\n")))
    app.add_post_transform(AskQuestions)
    app.connect("config-inited", count)
    app.connect("doctree-read", note_labels)
    app.connect("html-page-context", add_assets)
    return {"version": "1.0", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
