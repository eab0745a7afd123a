"""The login page."""

from html import escape

from lukhas.admin.pages.layout import template

__all__ = ("login_page",)


def login_page(*, target: str, problem: str = "") -> str:
    """The form that takes the admin token.

    Args:
        target: the path to go to afterwards.
        problem: what was wrong with the attempt before; empty on the first.
    """
    message = (
        f'<p class="problem" role="alert" id="problem">{escape(problem)}</p>' if problem else ""
    )
    return template("login.html").substitute(
        target=escape(target),
        message=message,
        described='aria-invalid="true" aria-describedby="problem"' if problem else "",
    )
