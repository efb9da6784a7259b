"""A comparison in the forms that people and pipelines read, one file per form.

`render` is the door; `FORMS` is the list. A form is a function of a `Subject` to text. To add one, write a file with
such a function and put it on the list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from policies.compat import changelog
from weighbridge.reports.github import github
from weighbridge.reports.junit import junit
from weighbridge.reports.sarif import sarif
from weighbridge.reports.subject import Subject

__all__ = ["FORMS", "Subject", "render"]

FORMS: Mapping[str, Callable[[Subject], str]] = {
    "markdown": lambda subject: changelog.markdown(subject.comparison, subject.old, subject.new),
    "html": lambda subject: changelog.html(subject.comparison, subject.old, subject.new),
    "junit": junit,
    "sarif": sarif,
    "github": github,
}


def render(form: str, subject: Subject) -> str:
    """The text of one form, with a line end. Raises `KeyError` for a form that is not on the list."""
    return FORMS[form](subject)
