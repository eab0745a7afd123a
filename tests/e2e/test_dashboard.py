"""The dashboard in a real browser, before a real gateway."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from tests.e2e.conftest import Origin
from tests.e2e.dashboard import (
    PAGES,
    PHONE,
    Person,
    axe_source,
    screenshot,
    start_browser,
    violations,
)
from tests.e2e.kit import Gateway, run_gateway, wait_for

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

SETTINGS = """
upstream = "{origin}"
listen = "127.0.0.1:0"
state_dir = "{folder}/state"
admin.listen = "127.0.0.1:0"
tiers.free = "1000000/minute"

[[routes]]
name = "plain"
path = "/plain/{{name}}"

[[routes]]
name = "fresh"
path = "/fresh/{{name}}"

[[limits]]
name = "few"
limits = "39/minute"
routes = ["plain"]

[alerts]
interval_s = 1

[[alerts.rules]]
name = "many-limited"
metric = "limited"
above = 0
window_s = 60
severity = "critical"
summary = "Callers run into their limits"
"""
ONE_ALERT = "Callers run into their limits"
Somebody = Callable[..., Person]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        started = start_browser(playwright)
        yield started
        started.close()


@pytest.fixture(scope="module")
def running(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that has had traffic, some of it refused by a limit."""
    folder = tmp_path_factory.mktemp("dashboard")
    settings = folder / "lukhas.toml"
    settings.write_text(SETTINGS.format(origin=origin.url, folder=folder))
    with run_gateway(folder, "--config", str(settings)) as gateway:
        with httpx.Client(base_url=gateway.url, trust_env=False, timeout=20) as client:
            client.delete("/plain/dashboard-gone")
            for number in range(38):
                client.get(f"/fresh/dashboard-{number % 4}")
                client.get(f"/plain/dashboard-{number}")
            for _ in range(10):
                assert client.get("/plain/dashboard").status_code == 429
        wait_for(lambda: _recorded(gateway) == 87, "history of all requests")
        yield gateway


def _recorded(gateway: Gateway) -> int:
    headers = {"authorization": f"Bearer {gateway.token}"}
    url = f"{gateway.admin_url}/api/v1/history/top?by=route"
    found = httpx.get(url, headers=headers, trust_env=False, timeout=20).json()
    return sum(row["requests"] for row in found["rows"]) if "rows" in found else 0


@pytest.fixture
def somebody(browser: Browser, running: Gateway) -> Iterator[Somebody]:
    """Opens windows; what went wrong in one fails the test."""
    people: list[Person] = []

    def enter(path: str | None = "/", **window: Any) -> Person:
        person = Person(browser, running, **window)
        people.append(person)
        if path is not None:
            person.log_in(path)
        return person

    yield enter
    for person in people:
        person.close()
    assert [complaint for person in people for complaint in person.complaints] == []


@pytest.fixture
def api(running: Gateway) -> Iterator[httpx.Client]:
    """A client of the admin API."""
    headers = {"authorization": f"Bearer {running.token}"}
    with httpx.Client(
        base_url=running.admin_url, headers=headers, trust_env=False, timeout=20
    ) as client:
        yield client


def _limited_id(running: Gateway, http: httpx.Client, path: str = "/plain/dashboard") -> str:
    """The id of a request that a limit refused."""
    answer = wait_for(
        lambda: found if (found := http.get(running.url + path)).status_code == 429 else None,
        "limited request",
    )
    return answer.headers["x-request-id"]


def _answered(status: int, body: object) -> Callable[[Route], None]:
    return lambda route: route.fulfill(
        status=status, content_type="application/json", body=json.dumps(body)
    )


def test_somebody_logs_in_and_comes_to_the_page_they_asked_for(
    somebody: Somebody, running: Gateway
) -> None:
    """With its filters. A wrong token is told, and opens nothing."""
    person = somebody(None)
    page = person.page
    page.goto("/routes?range=1h&status=2xx")
    expect(page).to_have_url(re.compile(r"/login\?next="))
    page.get_by_label("Admin token").fill("not-the-token")
    page.get_by_role("button", name="Sign in").click()
    person.see("This is not the admin token")
    assert [each for each in person.complaints if "401" not in each] == []
    person.complaints.clear()
    page.get_by_label("Admin token").fill(running.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Routes", exact=True)).to_be_visible()
    expect(page).to_have_url(f"{running.admin_url}/routes?range=1h&status=2xx")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Admin token")).to_be_visible()
    page.goto("/routes")
    expect(page).to_have_url(re.compile("/login"))


def test_figures_change_while_one_looks(
    somebody: Somebody, running: Gateway, api: httpx.Client, http: httpx.Client
) -> None:
    """By Server-Sent Events: the page is not loaded again."""
    person = somebody()
    page = person.page
    expect(page.get_by_role("heading", name="Requests", exact=True).first).to_be_visible()
    page.evaluate("window.sameDocument = true")
    before = api.get("/api/v1/status").json()["traffic"]["requests_total"]
    for _ in range(3):
        http.get(f"{running.url}/fresh/dashboard-live")
    person.see(f"{before + 3} requests in all")
    assert page.evaluate("window.sameDocument") is True
    expect(page.locator("#health")).to_contain_text("Workers")
    expect(page.get_by_role("region", name="Workers, table")).to_contain_text("worker-1")


COUNT_DRAWS = """
const clear = CanvasRenderingContext2D.prototype.clearRect;
CanvasRenderingContext2D.prototype.clearRect = function (...place) {
  this.canvas.draws = (this.canvas.draws ?? 0) + 1;
  return clear.apply(this, place);
};
"""


def test_a_chart_is_drawn_only_when_its_figures_change(
    somebody: Somebody, running: Gateway, api: httpx.Client, http: httpx.Client
) -> None:
    """Not whenever something else on the page does: drawing is most of what a page costs."""
    person = somebody(None)
    page = person.page
    page.add_init_script(COUNT_DRAWS)
    # No seconds come, but the figures of the last minute do.
    person.answer("/api/live", lambda route: route.fulfill(content_type="text/event-stream"))
    person.log_in("/")
    canvas = page.get_by_role("img", name="Requests. Latest:").locator("canvas")
    assert canvas.evaluate("(element) => element.draws") > 0
    before = api.get("/api/v1/status").json()["traffic"]["requests_total"]
    person.see(f"{before} requests in all")
    drawn = canvas.evaluate("(element) => element.draws")
    for _ in range(3):
        http.get(f"{running.url}/fresh/dashboard-drawn")
    person.see(f"{before + 3} requests in all")
    assert canvas.evaluate("(element) => element.draws") == drawn


def test_filters_are_in_the_address(somebody: Somebody) -> None:
    """They survive a reload, the way back takes them away, and the figures follow them."""
    person = somebody("/routes")
    page = person.page
    table = page.get_by_role("region", name="Routes, table")
    expect(table).to_contain_text("/fresh/{name}")
    page.get_by_label("Method").select_option("DELETE")
    expect(page).to_have_url(re.compile(r"/routes\?method=DELETE$"))
    expect(table).not_to_contain_text("/fresh/{name}")
    page.reload()
    expect(page.get_by_label("Method")).to_have_value("DELETE")
    expect(table).to_contain_text("/plain/{name}")
    page.go_back()
    expect(page).to_have_url(re.compile(r"/routes$"))
    expect(table).to_contain_text("/fresh/{name}")
    table.get_by_role("button", name="Route", exact=True).click()
    expect(page).to_have_url(re.compile(r"sort=-route$"))
    expect(table.get_by_role("columnheader", name="Route")).to_have_attribute(
        "aria-sort", "ascending"
    )
    expect(table.get_by_role("rowheader").first).to_have_text("/fresh/{name}")
    page.get_by_label("Time", exact=True).select_option("1h")
    table.get_by_role("link", name="/plain/{name}").click()
    expect(page).to_have_url(re.compile(r"range=1h&route="))
    expect(page.get_by_role("heading", name="Route /plain/{name}")).to_be_visible()
    page.get_by_role("link", name="Limits").click()
    expect(page).to_have_url(re.compile(r"/limits\?range=1h$"))


def test_an_alert_is_taken_on_and_silenced(
    somebody: Somebody, running: Gateway, http: httpx.Client, api: httpx.Client
) -> None:
    """The buttons do what the admin API does, and say so."""
    # What the fixture sent may be more than the minute of the rule ago.
    _limited_id(running, http)

    def alert() -> dict[str, Any] | None:
        found = api.get("/api/v1/alerts").json()["alerts"]
        return next((each for each in found if each["rule"] == "many-limited"), None)

    wait_for(lambda: (found := alert()) and found["state"] == "firing", "firing alert")
    person = somebody("/alerts")
    page = person.page
    item = page.get_by_role("listitem").filter(has_text=ONE_ALERT)
    item.get_by_role("button", name="Acknowledge").click()
    person.see("You have taken the alert on.")
    expect(item.get_by_text("Acknowledged")).to_be_visible()
    taken = alert()
    assert taken is not None
    assert (taken["state"], bool(taken["acknowledged_by"])) == ("acknowledged", True)

    item.get_by_role("link", name=ONE_ALERT).click()
    page.get_by_label("Write something down").fill("a test of limits")
    page.get_by_role("button", name="Add the note").click()
    person.see("a test of limits")
    page.get_by_role("link", name="Silence …").click()
    dialog = page.get_by_role("dialog", name="New silence")
    expect(dialog.get_by_label("Alerts with")).to_have_value("rule=many-limited")
    dialog.get_by_label("Why").fill("it is a test")
    dialog.get_by_role("button", name="Silence").click()
    person.see("The silence holds.")
    silences = page.get_by_role("region", name="Silences, table")
    expect(silences).to_contain_text("it is a test")
    silences.get_by_role("button", name="End").first.click()
    person.see("The silence is over.")


def test_a_purge_is_asked_about_and_done(
    somebody: Somebody, running: Gateway, origin: Origin, http: httpx.Client, api: httpx.Client
) -> None:
    """After it the upstream is asked again."""
    person = somebody("/cache")
    page = person.page
    before = origin.count("/fresh/dashboard-0")
    stored = api.get("/api/v1/cache").json()["node"]["entries"]
    assert stored > 0
    page.get_by_label("What", exact=True).select_option("prefix")
    page.get_by_label("Beginning").fill("/fresh/")
    page.get_by_role("button", name="Purge …").click()
    dialog = page.get_by_role("dialog", name="Purge these responses?")
    # Before it is shown, the key would go to the page.
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert api.get("/api/v1/cache").json()["node"]["entries"] == stored
    page.get_by_role("button", name="Purge …").click()
    dialog.get_by_role("button", name="Purge", exact=True).click()
    expect(page.get_by_text(re.compile(r"^\d+ responses? purged\.$"))).to_be_visible()
    assert api.get("/api/v1/cache").json()["node"]["entries"] < stored

    def asked_again() -> bool:
        http.get(f"{running.url}/fresh/dashboard-0")
        return origin.count("/fresh/dashboard-0") > before

    wait_for(asked_again, "request that is let through")


def test_a_limited_request_is_explained(
    somebody: Somebody, running: Gateway, http: httpx.Client, api: httpx.Client
) -> None:
    """By its id: the stage that refused it, the figures, and the same decision again."""
    request_id = _limited_id(running, http, "/plain/%3Cimg%20src=x%3E")
    # Workers report once a second.
    wait_for(lambda: api.get(f"/api/v1/explain/{request_id}").status_code == 200, "record")
    person = somebody("/explain")
    page = person.page
    page.get_by_label("Request id").fill(request_id)
    page.keyboard.press("Enter")
    person.see("Limit few-minute reached")
    stage = page.get_by_role("listitem").filter(has_text="Limit few-minute reached")
    expect(stage.get_by_text("Refused")).to_be_visible()
    expect(stage).to_contain_text("Few minute quota39")
    page.get_by_role("button", name="Decide again").click()
    expect(page.get_by_role("region", name="Decided again, table")).to_contain_text("The same")
    page.get_by_role("link", name="All requests").click()
    page.get_by_label("Kept as").select_option("refused")
    expect(page).to_have_url(re.compile(r"\?why=refused$"))
    expect(page.get_by_role("region", name="Requests, table")).to_contain_text("429")
    page.goto("/explain/never-was")
    person.see("No record of this request")
    # The browser itself writes an answer of 404 to the console.
    assert [each for each in person.complaints if "status of 404" not in each] == []
    person.complaints.clear()


def test_the_limits_of_a_tier_are_changed_and_put_back(
    somebody: Somebody, api: httpx.Client
) -> None:
    """First it is shown what would change; what cannot be read is told."""

    def basic() -> str:
        tiers = api.get("/api/v1/limits").json()["tiers"]
        return next(str(tier["limits"]) for tier in tiers if tier["tier"] == "basic")

    before = basic()
    person = somebody("/limits")
    page = person.page
    page.get_by_role("button", name="Change basic").click()
    dialog = page.get_by_role("dialog", name="Limits of Basic")
    dialog.get_by_label("Limits").fill("many")
    dialog.get_by_role("button", name="Check").click()
    expect(dialog.get_by_role("alert")).to_contain_text("The limits are not valid")
    person.complaints.clear()
    dialog.get_by_label("Limits").fill("77/minute")
    dialog.get_by_role("button", name="Check").click()
    expect(dialog).to_contain_text("77 a minute")
    assert basic() == before
    dialog.get_by_role("button", name="Change them").click()
    person.see("The limits of Basic have changed.")
    assert basic() == "77/minute"
    page.get_by_role("button", name="Change basic").click()
    dialog.get_by_role("button", name="Back to the settings").click()
    person.see("Basic has the limits of the settings again.")
    assert basic() == before


def test_everything_can_be_done_with_the_keyboard(somebody: Somebody) -> None:
    """A way past the menu, focus on the heading of a new page, dialogs that give focus back."""
    person = somebody("/cache")
    page = person.page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.get_by_role("link", name="Upstreams").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Upstreams", level=1)).to_be_focused()
    expect(page).to_have_title("Upstreams · LUKHAS API Optimizer")
    page.go_back()
    page.get_by_label("What", exact=True).select_option("all")
    page.get_by_role("button", name="Purge …").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Purge …")).to_be_focused()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_wrong_on_any_page(somebody: Somebody, theme: str) -> None:
    """0 violations, in both themes; pictures are left in build/screenshots to be looked at."""
    axe = axe_source()
    person = somebody("/", color_scheme=theme)
    found = {}
    for path in PAGES:
        person.go(path)
        name = re.sub(r"\W+", "-", path).strip("-") or "overview"
        screenshot(person.page, f"{theme}-{name}")
        if wrong := violations(person.page, axe):
            found[path] = wrong
    assert found == {}


def test_the_theme_that_one_chooses_stays(somebody: Somebody) -> None:
    """Whatever the system says."""
    page = somebody("/", color_scheme="light").page
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_text("Dark", exact=True).click()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    page.get_by_role("heading", name="Overview").wait_for()
    assert page.evaluate(ground) == dark


def test_every_page_fits_a_phone(somebody: Somebody) -> None:
    """Nothing sticks out at the side, and the menu opens and closes."""
    axe = axe_source()
    person = somebody("/", viewport=PHONE)
    page = person.page
    for path in PAGES:
        person.go(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
        name = re.sub(r"\W+", "-", path).strip("-") or "overview"
        screenshot(page, f"phone-{name}")
    assert violations(page, axe) == []
    page.get_by_role("button", name="Menu").click()
    assert violations(page, axe) == []
    page.get_by_role("link", name="Explain").click()
    expect(page.get_by_role("heading", name="Explain", level=1)).to_be_visible()
    expect(page.get_by_role("link", name="Explain")).to_be_hidden()


def test_servers_of_upstreams_are_listed(
    browser: Browser, origin: Origin, tmp_path: Path, http: httpx.Client
) -> None:
    """Whether each gets requests, what it does, and what it failed to do; over all workers."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        gone = f"http://127.0.0.1:{taken.getsockname()[1]}"
    drained = origin.url.replace("127.0.0.1", "localhost")
    settings = tmp_path / "lukhas.toml"
    settings.write_text(
        f"""
workers = 2
listen = "127.0.0.1:0"
state_dir = "{tmp_path}/state"
admin.listen = "127.0.0.1:0"
tiers.free = "1000000/minute"
cache.mode = "off"

[upstream]
targets = ["{origin.url}", "{gone}", "{drained}"]
weights = {{ "{origin.url}" = 3, "{drained}" = 0 }}
balancing.balancer = "round_robin"
balancing.outliers = {{ failures = 1, pause_s = 300 }}

[[upstreams]]
name = "bills"
url = "{origin.url}"

[[routes]]
name = "bills"
path = "/fresh/{{name}}"
upstream = "bills"
"""
    )
    with run_gateway(tmp_path, "--config", str(settings)) as gateway:
        headers = {"authorization": f"Bearer {gateway.token}"}
        url = f"{gateway.admin_url}/api/v1/upstreams"

        def is_out_everywhere() -> bool:
            # Each of them has connections of its own, and finds out by itself.
            with httpx.Client(trust_env=False, timeout=20) as client:
                for _ in range(8):
                    assert client.get(f"{gateway.url}/plain/dashboard").status_code == 200
            found = httpx.get(url, headers=headers, trust_env=False, timeout=20).json()
            targets = {each["address"]: each for up in found["upstreams"] for each in up["targets"]}
            return bool(targets) and targets[gone]["states"] == {"ejected": 2}

        wait_for(is_out_everywhere, "server that both workers leave out")
        assert http.get(f"{gateway.url}/fresh/dashboard-bill").status_code == 200
        person = Person(browser, gateway)
        person.log_in("/upstreams")
        page = person.page
        table = page.get_by_role("region", name="Servers, table")
        lines = table.get_by_role("row")
        expect(lines).to_have_count(5)
        bad = lines.filter(has_text=gone)
        expect(bad).to_contain_text("Left out")
        expect(bad).to_contain_text("until")
        expect(bad).not_to_contain_text("workers")
        expect(lines.filter(has_text=drained)).to_contain_text("Draining")
        fine = lines.filter(has_text=origin.url).filter(has_text="default")
        expect(fine).to_contain_text("Healthy")
        expect(fine.get_by_role("cell").nth(2)).to_have_text("3")
        bill = lines.filter(has_text="bills")
        expect(bill.get_by_role("cell").nth(6)).to_have_text("1")
        heading = page.get_by_role("heading", name="Servers", exact=True)
        servers = page.locator(".tile").filter(has=heading)
        expect(servers).to_contain_text("4")
        expect(servers).to_contain_text("requests go to 2 of them")
        table.get_by_role("button", name="State").click()
        expect(page).to_have_url(re.compile(r"servers=-state$"))
        axe = axe_source()
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            screenshot(page, f"{theme}-servers")
            assert violations(page, axe) == []
        page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
        screenshot(page, "phone-servers")
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(overflow) == 0
        _servers_in_other_states(person)
        person.close()
    assert [each for each in person.complaints if "503" not in each] == []


def _servers_in_other_states(person: Person) -> None:
    """What is seen where workers do not agree, where nothing is known, and where nobody tells."""
    page = person.page
    target = {
        "address": "http://10.0.0.1:9000",
        "state": "unfit",
        "states": {"healthy": 3, "unfit": 1},
        "out_until": None,
        "weight": 1,
        "in_flight": 0,
        "connections": 0,
        "latency_ms": None,
        "answers": 0,
        "errors": 0,
        "failures": 0,
    }
    disagreeing = {"workers": 4, "upstreams": [{"name": "default", "targets": [target]}]}
    for status, body, text in (
        (200, disagreeing, "in 1 of 4 workers"),
        (200, {"workers": 1, "upstreams": []}, "No server is known"),
        (503, {"title": "Busy", "detail": "The disk is full."}, "The disk is full."),
    ):
        person.answer("/api/v1/upstreams", _answered(status, body))
        page.goto("/upstreams")
        expect(page.get_by_role("region", name="Servers", exact=True)).to_contain_text(text)
    person.answer("/api/v1/upstreams", lambda _route: None)
    page.goto("/upstreams")
    servers = page.get_by_role("region", name="Servers", exact=True)
    expect(servers.locator(".skeleton")).to_be_visible()


def test_what_is_missing_wrong_or_empty_is_told(somebody: Somebody) -> None:
    """In words, each with what can be done."""
    person = somebody("/limits")
    person.answer(
        "/api/v1/limits", _answered(503, {"title": "Busy", "detail": "The disk is full."})
    )
    person.answer("/api/v1/insights", _answered(404, {"title": "Not Found"}))
    person.answer("/api/v1/capacity", lambda route: route.abort())
    person.answer("/api/v1/cache", lambda _route: None)
    page = person.page
    page.goto("/limits")
    expect(page.get_by_role("alert")).to_contain_text("The disk is full.")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    screenshot(page, "state-error")
    page.goto("/insights")
    person.see("Not available on this server")
    page.goto("/capacity")
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached")
    page.goto("/cache")
    expect(page.locator(".skeleton").first).to_be_visible()
    screenshot(page, "state-loading")
    page.goto("/explain?route=none-has-this-name")
    person.see("No such request has left a record.")
    person.complaints.clear()


def test_a_lost_connection_is_told_and_comes_back(somebody: Somebody) -> None:
    """The figures stay; nobody has to load the page again."""
    person = somebody(None)
    cut = True

    def stream(route: Route) -> None:
        if cut:
            route.abort()
        else:
            route.continue_()

    person.answer("/api/v1/stream", stream)
    person.log_in("/alerts")
    person.see("Connection lost, trying again")
    cut = False
    expect(person.page.get_by_role("link", name="Health")).to_be_visible(timeout=20_000)
    person.complaints.clear()


def test_a_viewer_is_offered_nothing_that_they_may_not_do(somebody: Somebody) -> None:
    """The server refuses it anyway; here it is not even shown."""
    person = somebody(None)
    person.answer("/api/v1/session", _answered(200, {"name": "vera", "role": "viewer"}))
    person.log_in("/alerts")
    page = person.page
    person.see("vera, Viewer")
    for path, name in (
        ("/alerts", "Acknowledge"),
        ("/cache", "Purge …"),
        ("/limits", re.compile("Change")),
        ("/alerts?tab=silences", "New silence …"),
        ("/settings", "Reload …"),
    ):
        person.go(path)
        expect(page.get_by_role("button", name=name)).to_have_count(0)


def _main_thread(page: Page) -> Callable[[], tuple[float, float]]:
    """Gives the seconds that the page's thread has worked, and those that have passed."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> tuple[float, float]:
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        values = {each["name"]: float(each["value"]) for each in metrics}
        return values["ThreadTime"], values["Timestamp"]

    return spent


def test_fifty_live_series_leave_the_browser_free(
    browser: Browser, origin: Origin, tmp_path: Path, http: httpx.Client
) -> None:
    """With a value a second for each of 50 lines, the page takes at most 5 % of its thread."""
    routes = "".join(
        f'[[routes]]\nname = "r{number}"\npath = "/plain/r{number}"\n' for number in range(50)
    )
    settings = tmp_path / "lukhas.toml"
    lines = (
        f'upstream = "{origin.url}"',
        'listen = "127.0.0.1:0"',
        f'state_dir = "{tmp_path}/state"',
        'admin.listen = "127.0.0.1:0"',
        'tiers.free = "1000000/minute"',
    )
    settings.write_text("\n".join([*lines, routes]))
    with run_gateway(tmp_path, "--config", str(settings)) as gateway:

        def once() -> None:
            for number in range(50):
                http.get(f"{gateway.url}/plain/r{number}")

        person = Person(browser, gateway)
        person.log_in("/routes")
        more = person.page.get_by_text("and 40 more")

        def all_are_seen() -> bool:
            once()
            return more.count() > 0

        wait_for(all_are_seen, "chart with 50 lines")
        spent = _main_thread(person.page)
        worked_before, time_before = spent()
        for _ in range(10):
            once()
            person.page.wait_for_timeout(1000)
        worked, time = spent()
        screenshot(person.page, "fifty-series")
        person.close()
    assert person.complaints == []
    assert 0 < (worked - worked_before) / (time - time_before) <= 0.05
