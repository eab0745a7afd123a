"""The settings about overload as the stage that acts on them."""

from pathlib import Path

import pytest

from lukhas.config.overload import OverloadSettings
from lukhas.config.settings import Settings
from lukhas.hub.hub import Hub
from lukhas.hub.overload import admit_settings
from lukhas.policy.modes import Mode
from lukhas.policy.overload.gradient import GradientSettings
from lukhas.policy.overload.shedding import TierShare
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import MILLISECOND_NS, SECOND_NS


def test_every_setting_arrives() -> None:
    """In the units of the policy."""
    settings = admit_settings(
        OverloadSettings.model_validate(
            {
                "mode": "enforce",
                "min_limit": 3,
                "max_limit": 5,
                "initial_limit": 4,
                "tolerance_percent": 120,
                "slack_s": 0.005,
                "probe_interval_s": 7,
                "queue_s": 0.5,
                "queue_length": 9,
                "shares": {"free": 1},
                "priorities": {"free": 99},
            }
        )
    )
    assert settings.gradient == GradientSettings(
        min_limit=3,
        max_limit=5,
        initial_limit=4,
        tolerance_percent=120,
        slack_ns=5 * MILLISECOND_NS,
        probe_interval_ns=7 * SECOND_NS,
    )
    assert (settings.mode, settings.queue_s, settings.queue_length) == (Mode.ENFORCE, 0.5, 9)
    assert settings.shares[0] == TierShare(Tier.FREE, 1, 99)
    assert settings.shares[-1] == TierShare(Tier.INTERNAL, 20, 40)


def test_shadow_mode_makes_no_probes() -> None:
    """It would lower a limit that nobody keeps to, and measure nothing."""
    settings = admit_settings(OverloadSettings(mode=Mode.SHADOW))
    assert settings.gradient.probe_interval_ns == 0


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.SHADOW, Mode.ENFORCE])
def test_the_stage_is_the_innermost_and_absent_if_off(tmp_path: Path, mode: Mode) -> None:
    """So that nothing that is answered before takes a slot, and `off` costs nothing."""
    hub = Hub(Settings(state_dir=tmp_path, overload=OverloadSettings(mode=mode)))
    names = [stage.name for stage in hub.pipeline.stages]
    gauges = {name: value for name, value in hub.recorder.gauges().items() if "overload" in name}
    if mode is Mode.OFF:
        assert "admit" not in names
        assert gauges == {}
    else:
        assert names[-1] == "admit"
        assert gauges == {
            "overload_limit": 50,
            "overload_in_flight": 0,
            "overload_waiting": 0,
        }
