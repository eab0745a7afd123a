"""Settings of alerting as what it runs with."""

from pathlib import Path

from lukhas.admin.alert_plan import alert_plan, channel_of
from lukhas.analytics.alerts.channels import (
    AlertmanagerChannel,
    EmailChannel,
    PagerDutyChannel,
    SlackChannel,
    WebhookChannel,
)
from lukhas.analytics.alerts.mail import MailServer
from lukhas.config.alert_channels import PAGERDUTY_URL
from lukhas.config.alerts import AlertSettings
from lukhas.policy.alerting.conditions import Absence, Anomaly, BurnRate, BurnWindow, Change
from lukhas.policy.alerting.default_rules import FAST_BURN, default_rules
from lukhas.policy.alerting.routes import walk
from lukhas.policy.alerting.seasonal import Direction
from tests.unit.config.test_alerts import EVERYTHING, read


def test_default_rules_hold_until_they_are_replaced(tmp_path: Path) -> None:
    """By one of the same name, or by one that is switched off; own ones come after them."""
    defaults = [rule.name for rule in default_rules(objective=0.999, p99_ms=1000, interval_s=10)]
    assert [rule.name for rule in alert_plan(AlertSettings()).rules] == defaults
    names = [rule.name for rule in alert_plan(read(tmp_path, EVERYTHING)).rules]
    assert "no-traffic" not in names
    assert names[-5:] == ["slow-orders", "silent", "fewer-hits", "odd", "budget"]
    none = alert_plan(AlertSettings(defaults=False))
    assert (none.rules, none.inhibitions) == ((), ())


def test_rules_are_as_they_are_written(tmp_path: Path) -> None:
    """Percents become parts; an anomaly is looked at once a step."""
    plan = alert_plan(read(tmp_path, EVERYTHING))
    rules = {rule.name: rule for rule in plan.rules}
    assert rules["slow-orders"].labels == (("team", "web"),)
    assert rules["slow-orders"].interval_s == 5
    assert rules["silent"].condition == Absence("requests", (), 300, 86_400)
    assert rules["fewer-hits"].condition == Change("hit_ratio", (), 300, 3600, fall=0.2)
    assert rules["odd"].condition == Anomaly("requests", (), 300, 28 * 86_400, 6.0, Direction.DOWN)
    assert rules["odd"].interval_s == 300
    assert rules["budget"].condition == BurnRate(0.99, (), (BurnWindow(600, 60, 10.0),))
    usual = read(tmp_path, '[[alerts.rules]]\nname="b"\nkind="burn_rate"\nobjective=0.9')
    assert alert_plan(usual).rules[-1].condition == BurnRate(0.9, (), FAST_BURN)
    assert len(plan.inhibitions) == 2


def test_routes_take_over_what_they_do_not_say(tmp_path: Path) -> None:
    """From their parents, down the tree."""
    root, web, critical = walk(alert_plan(read(tmp_path, EVERYTHING)).root)
    assert (root.name, web.name, critical.name) == (
        "alerts",
        "alerts.web",
        "alerts.web.web-critical",
    )
    assert (web.channels, critical.channels) == (("chat",), ("pager",))
    assert [each.name for each in web.mute_times] == ["nights"]
    assert web.mute_times[0].weekdays == frozenset((0, 1))
    assert (web.mute_times[0].from_minute, web.mute_times[0].to_minute) == (1320, 420)
    assert critical.mute_times == ()
    assert critical.escalation is not None
    assert critical.escalation == root.escalation
    assert [level.after_s for level in critical.escalation.levels] == [300, 600]
    own = read(tmp_path, EVERYTHING + '[[alerts.routes]]\nname = "x"\nescalation = "on-call"\n')
    assert alert_plan(own).root.children[-1].escalation == root.escalation


def test_channels_are_as_they_are_written(tmp_path: Path) -> None:
    """With their secrets."""
    hook, chat, pager, mail = map(channel_of, read(tmp_path, EVERYTHING).channels)
    assert hook == WebhookChannel(
        name="hook",
        url="https://hooks.example.com/s3cret",
        headers=(("authorization", "Bearer s3cret"),),
    )
    assert chat == SlackChannel(name="chat", url="https://hooks.example.com/s3cret")
    assert pager == PagerDutyChannel(name="pager", url=PAGERDUTY_URL, routing_key="s3cret")
    server = MailServer(host="mail.example.com", port=587, user="gateway", password="s3cret")
    assert mail == EmailChannel(
        name="mail",
        server=server,
        sender="gateway@example.com",
        recipients=("ops@example.com",),
    )


def test_an_alertmanager_is_as_it_is_written(tmp_path: Path) -> None:
    """Its labels in the order of their names."""
    text = (
        '[[alerts.channels]]\nname = "am"\nkind = "alertmanager"\nurl = "http://am.example.com/am"\n'
        'authorization = "Bearer s3cret"\nlabels = { zone = "eu", node = "1" }\ntimeout_s = 3\n'
    )
    (channel,) = map(channel_of, read(tmp_path, text).channels)
    assert channel == AlertmanagerChannel(
        name="am",
        url="http://am.example.com/am",
        headers=(("authorization", "Bearer s3cret"),),
        labels=(("node", "1"), ("zone", "eu")),
        timeout_s=3,
    )


def test_a_rule_may_be_split_by_a_label(tmp_path: Path) -> None:
    """One alert for each value, up to a number."""
    text = (
        '[[alerts.rules]]\nname = "r"\nmetric = "error_ratio"\nabove = 0.5\n'
        'split_by = "upstream"\nmost_alerts = 7\n'
    )
    settings = read(tmp_path, text)
    rule = next(rule for rule in alert_plan(settings).rules if rule.name == "r")
    assert (rule.split_by, rule.most_alerts) == ("upstream", 7)
