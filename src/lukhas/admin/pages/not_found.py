"""The page for a path that does not exist."""

from lukhas.admin.pages.layout import page

__all__ = ("not_found_page",)


def not_found_page(*, version: str) -> str:
    """Says so, and shows the way back."""
    main = (
        '<main><section class="card empty"><h2>There is no such page</h2>'
        '<p>Go back to the <a href="/">dashboard</a>.</p></section></main>'
    )
    return page("Not found", main, path="", version=version)
