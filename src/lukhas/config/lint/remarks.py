"""What a lint rule says, and what it looks at."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lukhas.config.key_paths import KeyPath
from lukhas.config.settings import Settings

__all__ = ("AppRouteFacts", "LintFacts", "Place", "Remark", "Rule")

Place = KeyPath | str
"""A value of the settings, or the name of a route of the app."""


@dataclass(frozen=True, slots=True)
class AppRouteFacts:
    """A route of an app, as far as rules look at it.

    Attributes:
        name: methods and template.
        methods: in upper case; empty for all.
        taken_by: the name of the route that gets every request meant for it; empty if none does.
        in_settings: the names of the routes of the settings that its requests match.
        cached: whether it is marked with `@cache`.
        cache_private: whether that keeps entries for each consumer apart.
        limited: whether it has limits of its own.
        exempt: whether it is marked as free from limits.
        credential_fields: fields or cookies (`cookie`) that it takes credentials from, in lower
            case.
        credential_queries: query parameters that it takes credentials from.
    """

    name: str
    methods: frozenset[str] = frozenset()
    taken_by: str = ""
    in_settings: frozenset[str] = frozenset()
    cached: bool = False
    cache_private: bool = False
    limited: bool = False
    exempt: bool = False
    credential_fields: frozenset[str] = frozenset()
    credential_queries: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LintFacts:
    """Everything that rules look at.

    Attributes:
        settings: the settings.
        explicit: whether somebody set the value at a path.
        app: the routes of the app; None without an app.
        unseen_changes: how many routes the admin API has changed that the app does not see.
    """

    settings: Settings
    explicit: Callable[[KeyPath], bool]
    app: tuple[AppRouteFacts, ...] | None = None
    unseen_changes: int = 0


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that is hardly meant so.

    Attributes:
        place: what it is about.
        what: what is odd.
        hint: what to do about it.
    """

    place: Place
    what: str
    hint: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What to look for.

    Attributes:
        id: for `--ignore`; never used again for another rule.
        title: what is odd, in a few words.
        look: finds it.
    """

    id: str
    title: str
    look: Callable[[LintFacts], Iterable[Remark]]
