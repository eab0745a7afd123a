"""Settings of the history."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from lukhas.config.fields import Section

__all__ = ("AnalyticsSettings", "ReportSettings")


class ReportSettings(Section):
    """Files that are written by themselves."""

    folder: Path | None = Field(
        None, description="Where; without one there are none. Nothing in it is ever removed."
    )
    period: Literal["hour", "day"] = Field(
        "day", description="One file for each; a day is one of UTC."
    )
    format: Literal["csv", "json", "parquet"] = Field(
        "csv", description="`parquet` needs the extra `analytics`."
    )


class AnalyticsSettings(Section):
    """The history of the figures, kept by the admin process."""

    enabled: bool = Field(True, description="Whether a history is kept.")
    database: SecretStr | None = Field(
        None,
        description="URL of a PostgreSQL database, or of another SQLite file; without one it is "
        "`history.sqlite` in the state directory.",
    )
    keep_seconds_min: int = Field(
        30, ge=2, le=1440, description="For how many minutes each second is kept."
    )
    keep_minutes_h: int = Field(
        48, ge=2, le=2160, description="For how many hours each minute, and each five, is kept."
    )
    keep_hours_days: int = Field(
        90, ge=2, le=3660, description="For how many days each hour is kept."
    )
    keep_days_days: int = Field(
        1830, ge=2, le=36_600, description="For how many days each day is kept."
    )
    reports: ReportSettings = ReportSettings()
