"""Questions to the person that must be answered before anything goes on."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtWidgets import QMessageBox, QWidget

__all__ = ["ask"]


def ask(parent: QWidget | None, title: str, text: str, answers: Sequence[str]) -> str:
    """Ask, and wait for one of the answers.

    Parameters
    ----------
    parent : QWidget or None
        The window that the question belongs to.
    title, text : str
        What it is about, and the question.
    answers : sequence of str
        The buttons' words; the first is offered first, Escape gives the last.
    """
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(title)
    box.setText(text)
    roles = [QMessageBox.ButtonRole.ActionRole] * (len(answers) - 1)
    buttons = {
        words: box.addButton(words, role)
        for words, role in zip(answers, [*roles, QMessageBox.ButtonRole.RejectRole], strict=True)
    }
    box.setDefaultButton(buttons[answers[0]])
    box.setEscapeButton(buttons[answers[-1]])
    box.exec()
    clicked = box.clickedButton()
    chosen = next((words for words, each in buttons.items() if each is clicked), answers[-1])
    box.deleteLater()
    return chosen
