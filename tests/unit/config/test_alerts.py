"""Settings of alerting: what is refused, and where."""

from pathlib import Path

import pytest

from lukhas.config.alerts import AlertSettings
from lukhas.config.loading import load_settings
from lukhas.errors import ConfigError


def read(tmp_path: Path, text: str) -> AlertSettings:
    file = tmp_path / "a.toml"
    file.write_text(text)
    return load_settings({}, file, {"HOME": str(tmp_path)}).settings.alerts


def test_everything_can_be_set(tmp_path: Path) -> None:
    """Rules of all kinds, channels of all kinds, a tree of routes."""
    alerts = read(tmp_path, EVERYTHING)
    assert [rule.kind for rule in alerts.rules] == [
        "threshold",
        "absence",
        "change",
        "anomaly",
        "burn_rate",
        "threshold",
    ]
    assert [channel.kind for channel in alerts.channels] == [
        "webhook",
        "slack",
        "pagerduty",
        "email",
    ]
    assert "s3cret" not in repr(alerts)


EVERYTHING = """
[alerts]
interval_s = 5
[alerts.route]
channels = ["hook"]
escalation = "on-call"
[[alerts.rules]]
name = "slow-orders"
metric = "p99_ms"
filters = { route = "/orders" }
above = 500
labels = { team = "web" }
[[alerts.rules]]
name = "silent"
kind = "absence"
metric = "requests"
[[alerts.rules]]
name = "fewer-hits"
kind = "change"
metric = "hit_ratio"
fall_percent = 20
[[alerts.rules]]
name = "odd"
kind = "anomaly"
metric = "requests"
direction = "down"
[[alerts.rules]]
name = "budget"
kind = "burn_rate"
objective = 0.99
windows = [{ long_s = 600, short_s = 60, factor = 10 }]
[[alerts.rules]]
name = "no-traffic"
enabled = false
[[alerts.channels]]
name = "hook"
url = "https://hooks.example.com/s3cret"
authorization = "Bearer s3cret"
[[alerts.channels]]
name = "chat"
kind = "slack"
url = "https://hooks.example.com/s3cret"
[[alerts.channels]]
name = "pager"
kind = "pagerduty"
routing_key = "s3cret"
[[alerts.channels]]
name = "mail"
kind = "email"
host = "mail.example.com"
user = "gateway"
password = "s3cret"
sender = "gateway@example.com"
recipients = ["ops@example.com"]
[[alerts.routes]]
name = "web"
match = ["team=web"]
channels = ["chat"]
mute_times = ["nights"]
[[alerts.routes]]
name = "web-critical"
parent = "web"
match = ["severity=critical"]
channels = ["pager"]
mute_times = []
[[alerts.inhibitions]]
source = ["rule=upstream-down"]
target = ["severity!=critical"]
[[alerts.mute_times]]
name = "nights"
weekdays = ["mon", "tue"]
begin = "22:00"
end = "07:00"
zone = "Europe/Berlin"
[[alerts.escalations]]
name = "on-call"
levels = [{ after_s = 300, channels = ["pager"] }, { after_s = 600, channels = ["mail"] }]
"""


def test_settings_are_the_same_when_they_are_passed_on(tmp_path: Path) -> None:
    """A child process gets every value, also those that nobody has set."""
    alerts = read(tmp_path, EVERYTHING)
    assert AlertSettings.model_validate(alerts.model_dump()) == alerts


RULE = '[[alerts.rules]]\nname = "r"\n'
CHANNEL = '[[alerts.channels]]\nname = "c"\n'
ROUTE = '[[alerts.routes]]\nname = "a"\n'


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (RULE + 'metric = "p98_ms"\nabove = 1', r"a\.toml:3: .*'p98_ms' is no metric of alerts"),
        (RULE + 'metric = "p99_ms"', "is a threshold and has no above or below"),
        (RULE + "above = 1", "has no metric"),
        (RULE + 'kind = "burn_rate"', "has no objective"),
        (RULE + 'metric = "errors"\nabove = 1\nrise_percent = 5', "rise_percent is for rules of"),
        (
            RULE + 'metric = "p99_ms"\nabove = 1\nfilters = { tier = "free" }',
            "p99_ms has no label 'tier': .*route",
        ),
        (
            RULE + 'metric = "in_flight"\nabove = 1\nfilters = { tier = "free" }',
            "labels it can be narrowed by: none",
        ),
        (
            RULE + 'kind = "burn_rate"\nobjective = 0.9\nfilters = { part = "x" }',
            "requests has no label 'part'",
        ),
        (
            RULE + 'kind = "absence"\nmetric = "requests"\nleast_requests = 5',
            "least_requests is not for rules of kind absence",
        ),
        (RULE + 'kind = "anomaly"\nmetric = "requests"\nhistory_s = 3600', "below two days"),
        (
            RULE + 'metric = "p99_ms"\nabove = 1\nsplit_by = "tier"',
            "p99_ms has no label 'tier': .*route",
        ),
        (
            RULE + 'kind = "anomaly"\nmetric = "requests"\nsplit_by = "route"',
            "split_by is not for rules of kind anomaly",
        ),
        (
            RULE + 'metric = "p99_ms"\nabove = 1\nsplit_by = "route"\nfilters = { route = "/a" }',
            "'route' is in split_by and in filters",
        ),
        (
            RULE + 'metric = "p99_ms"\nabove = 1\nsplit_by = "route"\nlabels = { route = "x" }',
            "'route' is in split_by and in labels",
        ),
        (
            RULE + 'metric = "p99_ms"\nabove = 1\nmost_alerts = 5',
            "most_alerts is for rules with split_by",
        ),
        (CHANNEL, "is of kind webhook and has no url"),
        (CHANNEL + 'kind = "alertmanager"', "is of kind alertmanager and has no url"),
        (
            CHANNEL + 'kind = "alertmanager"\nurl = "http://x/"\nsend_resolved = false',
            "send_resolved is not for channels of kind alertmanager",
        ),
        (
            CHANNEL + 'url = "http://x/"\nlabels = { a = "b" }',
            "labels is not for channels of kind webhook",
        ),
        (CHANNEL + 'url = "ftp://x"', "this is not an HTTP URL"),
        (CHANNEL + 'url = "http://x:99999"', "this is not a URL"),
        (CHANNEL + 'url = "http://u:p@x/"', "the URL holds a user or a password"),
        (CHANNEL + 'url = "http://x/ü"', "a character beyond ASCII"),
        (CHANNEL + 'url = "http://x/"\nauthorization = "a\\nb"', "no field may hold"),
        (CHANNEL + 'url = "http://x/"\nrouting_key = "k"', "routing_key is not for channels"),
        (CHANNEL + 'kind = "email"\nhost = "h"\nsender = "x"', "'x' is no e-mail address"),
        (
            CHANNEL
            + 'kind = "email"\nhost = "h"\nsender = "a@b.c"\nrecipients = ["a@b.c"]\n'
            + 'user = "u"\nsecurity = "none"',
            "over an open connection",
        ),
        (CHANNEL + 'url = "http://x/"\n' + CHANNEL + 'url = "http://x/"', "'c' stands twice"),
        ('[alerts.route]\nchannels = ["x"]', r"a\.toml:2: .*there is no channel 'x'"),
        ('[alerts.route]\nmute_times = ["x"]', "there is no mute time 'x'"),
        ('[alerts.route]\nescalation = "x"', "there is no escalation 'x': .*none yet"),
        (ROUTE + 'parent = "b"', "there is no route 'b': name one of them"),
        (ROUTE + 'parent = "a"', "'a' is among its own parents"),
        (
            ROUTE + 'parent = "b"\n[[alerts.routes]]\nname = "b"\nparent = "a"',
            "is among its own parents",
        ),
        (ROUTE + 'match = ["team"]', "'team' is no matcher"),
        (ROUTE + 'channels = ["x"]', r"a\.toml:3: .*there is no channel 'x'"),
        (
            '[[alerts.escalations]]\nname = "e"\nlevels = [{ after_s = 1, channels = ["x"] }]',
            "there is no channel 'x'",
        ),
        ('[[alerts.mute_times]]\nname = "m"\nbegin = "24:00"', "'24:00' is no time of day"),
    ],
)
def test_a_mistake_is_told_at_its_place(tmp_path: Path, text: str, what: str) -> None:
    """With what to do about it, and without what may be a secret."""
    with pytest.raises(ConfigError, match=what):
        read(tmp_path, text)
