"""The status page in Chromium with real workers: true figures, plain words, no script injection.

Figures are compared with what Kafka and S3 themselves say, and with the metrics.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from selenium.webdriver import Chrome

from tests.chromium import browser, complaints, set_scheme, set_size
from tests.flow.load import Load
from tests.flow.proxies import S3Proxy, swallow
from tests.flow.worlds import GARBAGE, Worker, World, alert, assert_exactly_once
from tests.waiting import wait_until

pytestmark = pytest.mark.chromium


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with browser() as running:
        yield running


@pytest.fixture
def page(chrome: Chrome) -> Iterator["Page"]:
    set_scheme(chrome, dark=False)
    set_size(chrome, 1280, 1000)
    yield Page(chrome)
    chrome.get("about:blank")
    complaints(chrome)


class Page:
    """The page as a person sees it, by its text."""

    def __init__(self, chrome: Chrome) -> None:
        self.chrome = chrome

    def open(self, worker: Worker) -> "Page":
        wait_until(lambda: worker.readiness().get("partitions"), 60, "the worker has partitions")
        self.chrome.get(f"{worker.address()}/")
        wait_until(lambda: self.state() != "Loading", 30, "the page has asked")
        return self

    def run(self, script: str) -> Any:
        return self.chrome.execute_script(f"return {script}")

    def text(self, name: str) -> str:
        return str(self.run(f"document.getElementById({json.dumps(name)}).innerText"))

    def state(self) -> str:
        return self.text("state")

    def figures(self) -> dict[str, str]:
        """Return the large figures by their names."""
        script = """Object.fromEntries([...document.querySelectorAll('#figures > div')].map(
            (each) => [each.querySelector('dt').innerText, each.querySelector('dd').innerText]))"""
        return self.run(script)

    def rows(self, name: str) -> list[list[str]]:
        """Return the cells of the first table's body in a place, including hidden ones."""
        script = f"""[...document.querySelectorAll('#{name} tr')].map((row) =>
            [...row.children].map((cell) => cell.textContent.trim()))"""
        return self.run(script)

    def offsets(self) -> dict[int, tuple[int, int, int, int]]:
        """By partition: committed, staged, end, not in the lake."""
        found = {}
        for row in self.rows("partitions"):
            lag, committed, staged, end = (number(row[column]) for column in (2, 5, 6, 7))
            found[int(row[0])] = committed, staged, end, lag
        return found


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_under_load_the_page_tells_what_kafka_and_the_lake_tell_and_an_outage_within_seconds(
    world: World, s3: S3Proxy, page: Page
) -> None:
    worker = world.worker(WINDOW__INTERVAL=3).start()
    page.open(worker)
    with Load(world, 150) as load:
        wait_until(lambda: number(page.figures()["Into the lake, last hour"]) > 500, 90)
        assert page.state() == "Working"
        s3.away()
        wait_until(lambda: page.state() == "Held", 20, "held on the page within seconds")
        wait_until(lambda: "0, 1, 2 cannot ship" in page.text("problems"), 60, "all three held")
        assert "Could not connect to the endpoint URL" in page.text("problems")
        assert "Try: check the way from here to S3" in page.text("problems")
        assert {row[1] for row in page.rows("partitions")} == {"held"}
        assert not worker.readiness()["ready"]
        before = world.committed()
        wait_until(lambda: number(page.figures()["Not in the lake yet"]) > 1500, 60, "lag grows")
        assert world.committed() == before
    behind = sum(end - before[n][0] for n, end in world.ends().items())
    wait_until(lambda: number(page.figures()["Not in the lake yet"]) == behind, 40, "all of it")
    s3.back()
    wait_until(lambda: page.state().startswith("Idle"), 120, "caught up")
    world.wait_until_shipped()
    assert page.text("problems") == ""
    assert "no longer held" in page.text("events")
    assert_figures_are_true(world, worker, page)
    objects = assert_exactly_once(world, range(load.sent))
    assert worker.starts() == 1
    assert len(page.rows("windows")) == min(50, len({stored.window for stored in objects}))
    assert complaints(page.chrome) == []


def assert_figures_are_true(world: World, worker: Worker, page: Page) -> None:
    """Assert that Kafka, S3, metrics and page agree, now that nothing moves."""
    ends, bodies, objects = world.ends(), world.bodies(), world.objects()
    wait_until(lambda: page.offsets() == {n: (end, end, end, 0) for n, end in ends.items()}, 30)
    assert {n: offset for n, (offset, _) in world.committed().items()} == ends
    records = sum(int(one["records"]) for one in {s.window: s.footer for s in objects}.values())
    assert records == sum(ends.values())
    wait_until(lambda: number(page.figures()["Into the lake, last hour"]) == records, 30)
    scraped = worker.scrape()
    assert scraped["shipped_records_total", "finding"] == sum(len(s.numbers) for s in objects)
    assert scraped["put_bytes_total", ""] == sum(map(len, bodies.values()))
    shown = {(int(r[1]), number(r[2]), number(r[3])) for r in page.rows("windows")}
    assert shown <= {stored.window for stored in objects}
    severities = {row[0]: number(row[1]) for row in page.rows("severities")[1:]}
    assert severities == {"Low": scraped["staged_findings_total", "Low"]}
    rules = {row[0]: number(row[1]) for row in page.rows("rules")[1:]}
    assert sum(rules.values()) == scraped["staged_records_total", "finding"]


def test_rejects_are_shown_by_reason_and_place_and_not_by_what_they_are(
    world: World, page: Page
) -> None:
    world.publish([alert(n) for n in range(100)] + [GARBAGE, b"", b'["secret"]', None])
    worker = world.worker().start()
    world.wait_until_shipped()
    page.open(worker)
    reasons = {row[0]: number(row[1]) for row in page.rows("reasons")[1:]}
    assert reasons == {
        "The value is empty": 2,
        "The value is not JSON": 1,
        "The value is an array": 1,
    }
    places = {(int(row[1]), int(row[2])) for row in page.rows("rejects")[1:]}
    assert places == world.dead_letters().keys()
    assert "falcolake dead-letter show" in page.text("rejects")
    assert "secret" not in str(page.run("document.documentElement.outerHTML"))


def test_contents_of_rejects_are_shown_where_that_is_switched_on(world: World, page: Page) -> None:
    world.publish([b'["<b>not markup</b>"]'])
    worker = world.worker(WEB__SHOW_CONTENTS="true").start()
    world.wait_until_shipped()
    page.open(worker)
    assert '["<b>not markup</b>"]' in page.text("rejects")
    assert page.run("document.querySelectorAll('#rejects b').length") == 0


HOSTILE = [
    "<img src=x onerror=\"document.title='broken into'\">",
    "<script>document.title='broken into'</script>",
    "</td></table><h1>gone</h1>",
    "javascript:alert(1)",
    "\u202eleft to right & <b>bold</b> \u0000",
]


def test_what_alerts_say_is_text_on_the_page_and_never_markup(world: World, page: Page) -> None:
    values = [
        json.dumps(json.loads(alert(n)) | {"rule": rule}).encode() for n, rule in enumerate(HOSTILE)
    ]
    world.publish(values)
    worker = world.worker().start()
    world.wait_until_shipped()
    page.open(worker)
    wait_until(lambda: len(page.rows("rules")) == 6, 30)
    shown = page.run("[...document.querySelectorAll('#rules td.words')].map((e) => e.textContent)")
    assert sorted(shown) == sorted(HOSTILE)
    assert (
        page.run("document.querySelectorAll('#rules img, #rules script, #rules b, main h1').length")
        == 0
    )
    assert "broken into" not in page.chrome.title
    assert complaints(page.chrome) == []


def test_the_browser_refuses_what_the_page_does_not_need(world: World, page: Page) -> None:
    """The policy holds even if the page had a hole."""
    page.open(world.worker().start())
    for script in (
        "document.body.innerHTML = '<b>x</b>'",
        "document.body.insertAdjacentHTML('beforeend', '<b>x</b>')",
        "document.createElement('script').text = 'document.title = 1'",
        "document.createElement('script').src = 'https://example.com/x.js'",
    ):
        caught = page.chrome.execute_script(
            f"try {{ {script}; return 'done' }} catch (error) {{ return error.name }}"
        )
        assert caught == "TypeError", script
    loaded = page.chrome.execute_async_script(
        """const [source, done] = arguments, image = new Image();
        image.onload = () => done('loaded'); image.onerror = () => done('refused');
        image.src = source;""",
        "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7",
    )
    assert loaded == "refused"
    inline = page.chrome.execute_script(
        """const made = document.createElement('p');
        made.setAttribute('style', 'color: rgb(1, 2, 3)'); document.body.append(made);
        return getComputedStyle(made).color"""
    )
    assert inline != "rgb(1, 2, 3)"


def test_a_worker_that_goes_away_is_said_to_be_gone_and_shown_again_when_it_is_back(
    world: World, page: Page
) -> None:
    world.publish([alert(n) for n in range(100)])
    worker = world.worker().start()
    world.wait_until_shipped()
    page.open(worker)
    address = worker.address()
    assert address is not None
    assert worker.stop() == 0
    wait_until(lambda: page.state() == "No answer", 30)
    assert "this is its state at" in page.text("asked")
    assert sum(committed for committed, *_ in page.offsets().values()) == 100
    worker.environment["FALCOLAKE_WEB__PORT"] = address.rpartition(":")[2]
    worker.start()
    wait_until(lambda: page.state().startswith("Idle"), 60)


# Elements with their own text whose contrast with the background is below 4.5 to 1.
PALE = """
const channel = (value) => {
  const part = value / 255;
  return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
};
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const parsed = (text) => text.match(/[\\d.]+/g).map(Number);
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = parsed(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
return [...document.querySelectorAll('body *')].filter((element) =>
  [...element.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim())
  && !element.matches('title, script, noscript, noscript *, .skip, .hidden')
).map((element) => {
  const style = getComputedStyle(element);
  const own = parsed(element instanceof SVGElement ? style.fill : style.color);
  const [one, other] = [light(own), light(behind(element))].sort((a, b) => b - a);
  return [(one + 0.05) / (other + 0.05), element.textContent.trim().slice(0, 40)];
}).filter(([ratio]) => ratio < 4.5);
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_reads_well_in_both_schemes_and_on_a_phone(
    world: World, s3: S3Proxy, page: Page, dark: bool
) -> None:
    world.publish([alert(n) for n in range(300)] + [GARBAGE] * 3)
    worker = world.worker().start()
    world.wait_until_shipped()
    s3.away()
    world.publish([alert(n) for n in range(300, 400)])
    set_scheme(page.chrome, dark=dark)
    page.open(worker)
    wait_until(lambda: page.state() == "Held", 60)
    ground = page.run("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(13, 20, 26)" if dark else "rgb(243, 246, 248)")
    assert page.chrome.execute_script(PALE) == []
    for width in (320, 420, 800, 1280, 2000):
        set_size(page.chrome, width, 900)
        wait_until(
            lambda: page.run("document.documentElement.scrollWidth <= innerWidth"), 10, f"{width}"
        )


def test_it_can_be_read_by_ear_and_worked_by_keyboard(world: World, page: Page) -> None:
    world.publish([alert(n) for n in range(300)] + [GARBAGE])
    worker = world.worker().start()
    world.wait_until_shipped()
    page.open(worker)
    wait_until(lambda: len(page.rows("windows")) > 0, 30)

    def none(selector: str) -> bool:
        return page.run(f"document.querySelectorAll({json.dumps(selector)}).length") == 0

    for landmark in ("header", "main", "footer", "nav[aria-label]", "h1"):
        assert page.run(f"document.querySelectorAll('{landmark}').length") == 1, landmark
    assert page.run("document.documentElement.lang") == "en"
    assert none("th:not([scope])")
    assert none("section:not([aria-labelledby])")
    assert none("svg:not([role=img][aria-label], [aria-hidden=true])")
    assert none("img:not([alt])")
    assert none("[id]:is(#x)")
    labels = page.run(
        "[...document.querySelectorAll('svg[role=img]')].map((e) => e.getAttribute('aria-label'))"
    )
    assert all(labels)
    assert any("Windows of 3 partitions" in label for label in labels)
    named = page.run(
        """[...document.querySelectorAll('[aria-labelledby]')].every(
            (each) => document.getElementById(each.getAttribute('aria-labelledby')))"""
    )
    assert named
    reached: Callable[[], object] = lambda: page.run("document.activeElement.textContent")  # noqa: E731
    page.chrome.execute_script("document.querySelector('.skip').focus()")
    assert reached() == "Skip to the figures"
    page.chrome.execute_script("document.querySelector('summary').focus()")
    assert "as a table" in str(reached())
    page.run("document.querySelector('summary').click()")
    wait_until(lambda: "Shipped in" in page.run("document.querySelector('details').innerText"), 10)


def test_a_frozen_lake_is_on_the_page_within_seconds_and_stays_in_what_happened(
    world: World, page: "Page", s3: S3Proxy
) -> None:
    worker = world.worker().start()
    page.open(worker)
    s3.methods, s3.fault = {"PUT"}, swallow
    world.publish([alert(n) for n in range(300)])
    wait_until(lambda: s3.hits["PUT"], 30, "a put under way")
    wait_until(lambda: page.state() == "Lake unreachable", 15, "told within seconds")
    told = page.text("problems")
    assert "the lake does not answer, since" in told
    assert "put ext/falco/" in told
    assert "Try: check the way from here to S3" in told
    s3.heal()
    world.wait_until_shipped(90)
    wait_until(lambda: "the lake is back after" in page.text("events"), 20)
    assert "the lake is away since" in page.text("events")
    wait_until(lambda: page.text("problems") == "", 20)
    assert_exactly_once(world, range(300))
