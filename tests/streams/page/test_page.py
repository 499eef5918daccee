"""The page in Chromium: what a refresh leaves alone, what copies, how it looks small and large."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By

from streams.clock import now_ms
from streams.control.messages import State
from streams.errors import Unavailable
from tests.chromium import browser, complaints, set_scheme, set_size
from tests.streams.falco_records import mixed
from tests.streams.page.test_server import Served
from tests.waiting import wait_until

pytestmark = pytest.mark.chromium

MANY = 400


class Live:
    """A worker's parts and its web server, in a loop of their own thread."""

    def __init__(self, path: Path, partitions: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.served: Served = self.do(self._begin(path, partitions))
        self.worker = self.served.worker

    async def _begin(self, path: Path, partitions: int) -> Served:
        served = await Served(path).__aenter__()
        served.worker.kafka.ends = dict.fromkeys(range(partitions), 0)
        await served.worker.assign(*range(partitions))
        return served

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def take(self, partition: int, first: int, end: int) -> None:
        self.worker.kafka.ends[partition] = end
        self.do(self.worker.take(partition, first, end, mixed))

    def end(self) -> None:
        self.do(self.served.__aexit__())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with browser() as running:
        yield running


@pytest.fixture
def page(chrome: Chrome) -> Iterator[Chrome]:
    set_scheme(chrome, dark=False)
    set_size(chrome, 1280, 1000)
    yield chrome
    assert complaints(chrome) == []
    chrome.get("about:blank")


@pytest.fixture
def live(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Live]:
    running = Live(tmp_path / "staging", getattr(request, "param", 3))
    yield running
    running.end()


def look(page: Chrome, live: Live) -> None:
    """Open the page, and wait until it is drawn."""
    page.get(f"{live.served.url}/")
    wait_until(lambda: page.find_elements(By.CSS_SELECTOR, "#partitions tr"), 30, "drawn")


def text(page: Chrome, name: str) -> str:
    return str(page.execute_script(f"return document.getElementById('{name}').textContent"))


def refresh(page: Chrome) -> None:
    """Wait until the page has drawn a new report, which it asks for at once when it is seen."""
    before = text(page, "asked")
    seen = "document.dispatchEvent(new Event('visibilitychange'))"
    wait_until(lambda: page.execute_script(seen) or text(page, "asked") != before, 30, "a refresh")


def wait_for(page: Chrome, name: str, words: str) -> None:
    """Wait until these words are in a place."""

    def said() -> bool:
        refresh(page)
        return words in text(page, name)

    wait_until(said, 30, words)


SELECT = """
const element = document.querySelector(arguments[0]), range = document.createRange();
window.kept = element.firstChild;
range.setStart(window.kept, arguments[1]);
range.setEnd(window.kept, arguments[2]);
getSelection().removeAllRanges();
getSelection().addRange(range);
return getSelection().toString();
"""
SELECTED = """
const { anchorNode, focusNode } = getSelection();
return window.kept.isConnected && anchorNode === window.kept && focusNode === window.kept
  ? getSelection().toString() : null;
"""


def test_selected_text_and_its_nodes_survive_a_refresh(page: Chrome, live: Live) -> None:
    live.take(0, 0, 14)
    look(page, live)
    chosen = page.execute_script(SELECT, "#rules td.words", 2, 9)
    live.take(1, 0, 7)  # new numbers around it, and a new event
    live.worker.shipper._hold(2, Unavailable("the lake is away", "wait"))
    wait_until(lambda: "he lake is away" in text(page, "problems"), 30, "a refresh by itself")
    assert page.execute_script(SELECTED) == chosen == "rminal "
    for number, place in enumerate(
        (
            "#partitions th",
            "#events td.words",
            "#problems > :last-child p",
            "#route b",
            "#reasons td.words",
        )
    ):
        chosen = page.execute_script(SELECT, place, 0, 1)
        live.worker.shipper._hold(1, Unavailable(f"again {number}", "wait"))
        wait_for(page, "problems", f"gain {number}")
        assert page.execute_script(SELECTED) == chosen != "", place


def test_a_selected_text_that_changes_stays_selected(page: Chrome, live: Live) -> None:
    look(page, live)
    page.execute_script(SELECT, "#asked", 0, 8)
    refresh(page)
    assert page.execute_script(SELECTED) == text(page, "asked")[:8]


def test_what_the_pointer_is_on_survives_a_refresh(page: Chrome, live: Live) -> None:
    live.take(0, 0, 14)
    look(page, live)
    chart = page.find_elements(By.CSS_SELECTOR, "#charts svg")[1]
    ActionChains(page).move_to_element(chart).perform()
    said = "return document.querySelectorAll('#charts figcaption span')[1].textContent"
    wait_until(lambda: " UTC: " in page.execute_script(said), 10, "the value at the pointer")
    page.execute_script("window.kept = document.querySelectorAll('#charts svg')[1]")
    refresh(page)
    assert " UTC: " in page.execute_script(said)
    assert page.execute_script("return kept.isConnected && kept.matches(':hover')")
    assert page.execute_script("return kept.querySelectorAll('.cursor').length") == 1
    ActionChains(page).move_to_element(page.find_element(By.ID, "versions")).perform()
    wait_until(lambda: "highest" in page.execute_script(said), 10, "the summary again")


def test_a_command_that_it_suggests_is_copied_by_its_button(page: Chrome, live: Live) -> None:
    hint = "stop the workers, run `falcolake adopt --partition 2`, which publishes it"
    live.worker.shipper._hold(2, Unavailable("no luck", hint))
    live.take(0, 0, 4)
    look(page, live)
    page.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]},
    )
    clipboard = "navigator.clipboard.readText().then(arguments[0])"
    for place, command in (
        ("#problems", "falcolake adopt --partition 2"),
        ("#rejects", "falcolake dead-letter show 0 3"),
    ):
        button = page.find_element(By.CSS_SELECTOR, f"{place} button")
        button.click()
        wait_until(lambda button=button: button.text == "Copied", 5, "said so")
        assert page.execute_async_script(clipboard) == command
        assert text(page, "said") == f"Copied: {command}"
        wait_until(lambda button=button: button.text == "Copy", 10, "ready again")
    assert "`" not in text(page, "problems")
    # Over plain HTTP from another machine there is no clipboard: the old way.
    page.execute_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.find_element(By.CSS_SELECTOR, "#problems button").click()
    assert (
        page.execute_script("return getSelection().toString()") == "falcolake adopt --partition 2"
    )


DRAW = """
const [done] = arguments;
Promise.all([import('/tables.js'), fetch('/status.json').then((answer) => answer.json())])
  .then(([tables, report]) => {
    change(report);
    tables.showPartitions(report);
    tables.showWindows(report, []);
    done([...document.querySelectorAll('#partitions tr')].map((row) => {
      const part = row.querySelector('.part');
      return [row.querySelector('.tag').textContent, part.classList[1],
        getComputedStyle(part).fill];
    }));
  });
"""


def test_staged_is_calm_and_amber_only_past_the_interval(page: Chrome, live: Live) -> None:
    look(page, live)

    def drawn(behind: float, **more: object) -> list[str]:
        """Return state, mark and colour of a partition with this age, in seconds."""
        fields = {"committed": 0, "staged": 9, "end": 9, "lag": 9, "behind": behind} | more
        change = f"(report) => Object.assign(report.partitions[1], {fields})"
        change = change.replace("True", "true").replace("False", "false")
        found = page.execute_async_script(DRAW.replace("change(report)", f"({change})(report)"))
        return next(row for row in found if row[0] != "idle")

    calm, amber = "rgb(43, 127, 163)", "rgb(168, 100, 0)"
    for behind in (0.5, 150, 300, 325):
        assert drawn(behind) == ["staged", "staged", calm], behind
    assert drawn(10, waiting_windows=1) == ["shipping", "staged", calm]
    assert drawn(10, end=12, lag=12) == ["reading", "staged", calm]
    assert drawn(331) == ["late", "late", amber]
    assert drawn(10, held=True)[0] == "held"
    assert drawn(331, blocked=True) == ["blocked", "late", amber]


def test_axes_have_clock_times(page: Chrome, live: Live) -> None:
    live.take(0, 0, 14)
    look(page, live)
    for place in ("#charts figure:nth-child(1)", "#timeline"):
        script = (
            f"return [...document.querySelectorAll('{place} text.time')].map((e) => e.textContent)"
        )
        times = page.execute_script(script)
        minutes = [int(each[:2]) * 60 + int(each[3:]) for each in times]
        assert len(minutes) >= 2, times
        steps = {(after - before) % 1440 for before, after in pairwise(minutes)}
        assert len(steps) == 1, times
        now = int(text(page, "asked")[:2]) * 60 + int(text(page, "asked")[3:5])
        assert (now - minutes[-1]) % 1440 <= steps.pop(), times


def test_on_a_phone_what_is_not_in_the_lake_comes_first(page: Chrome, live: Live) -> None:
    live.worker.shipper._hold(0, Unavailable("the lake is away", "wait"))
    set_size(page, 390, 844)
    look(page, live)
    wait_for(page, "problems", "he lake is away")
    tops = page.execute_script(
        """const parts = '#figures > div, .problem, main section:not(:has(.figures))';
        return [...document.querySelectorAll(parts)].map(
            (each) => [each.getBoundingClientRect().top, each.textContent.trim()])"""
    )
    first, second, *rest = [words for _, words in sorted(tops)]
    assert first.startswith("Not in the lake yet")
    assert second.startswith("Partition 0 cannot ship")
    assert rest[0].startswith(("Read from Kafka", "Into the lake"))
    heads = page.execute_script(
        """const box = document.querySelector('.scroll:has(#partitions)').getBoundingClientRect();
        return [...document.querySelectorAll('.scroll:has(#partitions) th')].filter((head) =>
            head.getBoundingClientRect().right <= box.right && head.scope === 'col')
            .map((head) => head.textContent)"""
    )
    assert heads[:3] == ["Partition", "State", "Not in the lake"]
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def test_all_workers_are_shown_and_only_addresses_of_the_web_are_links(
    page: Chrome, live: Live
) -> None:
    fleet, hostile = live.served.fleet, "<b>w</b> at h, process 3"
    fleet.note_question(1, now_ms() - 6000)

    def answers(worker: str, request: int = 1, **more: Any) -> None:
        state = State(v=1, group="g", request=request, worker=worker, **{"paused": "", **more})
        fleet.note_answer(state, 100, now_ms())

    answers("me", partitions={0: "", 1: ""}, lag=4000, version="2.0")
    answers("there", partitions={2: "no bucket", 3: "no bucket"}, address="https://example.com/")
    answers(hostile, partitions={}, paused="the disk is full", address="javascript:alert(1)")
    answers("gone", request=0, partitions={7: ""})
    look(page, live)
    rows = page.execute_script(
        """return [...document.querySelectorAll('#workers tbody tr')].map(
            (row) => [...row.children].map((cell) => cell.textContent))"""
    )
    gone = rows.pop(1)
    assert rows == [
        [hostile, "paused", "\N{EN DASH}", "none", "Does not read: the disk is full.", ""],
        ["me this page", "answers", "4,000", "0, 1", "", "2.0"],
        ["there", "held", "\N{EN DASH}", "2, 3", "2, 3 cannot ship: no bucket.", ""],
    ]
    assert gone[:2] == ["gone", "does not answer"]
    assert gone[4].startswith("last heard at ")
    links = "return [...document.querySelectorAll('#workers a')].map((each) => each.href)"
    assert page.execute_script(links) == ["https://example.com/"]
    assert page.execute_script("return document.querySelectorAll('#workers b').length") == 0


COUNT = """
window.touched = new Set();
new MutationObserver((found) => found.forEach(({ type, target, addedNodes, removedNodes }) => {
  if (type !== 'childList') touched.add(target);
  for (const each of [...addedNodes, ...removedNodes]) {
    touched.add(each);
    each.querySelectorAll?.('*').forEach((inner) => touched.add(inner));
  }
})).observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
"""


@pytest.mark.parametrize("live", [MANY], indirect=True, ids=["400 partitions"])
def test_with_400_partitions_a_refresh_touches_only_what_changed(page: Chrome, live: Live) -> None:
    for number in range(0, MANY, 10):
        live.take(number, 0, 3)
    look(page, live)
    assert len(page.find_elements(By.CSS_SELECTOR, "#partitions tr")) == MANY
    everything = page.execute_script("return document.querySelectorAll('main *').length")
    assert everything > 15 * MANY
    assert "360 idle" in text(page, "states")
    # The whole page is a few screens; tables and windows scroll in their own boxes.
    assert page.execute_script("return document.documentElement.scrollHeight") < 4000
    assert "assigned partitions: 0\N{EN DASH}399" in text(page, "events")
    page.execute_script(COUNT)
    refresh(page)
    refresh(page)
    waiting = MANY // 10  # partitions whose age is a new text
    still = page.execute_script("return touched.size")
    assert 0 < still < waiting + 60, f"{still} of {everything}"
    page.execute_script("touched.clear()")
    live.take(7, 0, 5)
    live.worker.shipper._hold(399, Unavailable("the lake is away", "wait"))
    wait_for(page, "problems", "399 cannot ship")
    first = "return document.querySelector('#partitions tr').textContent"
    assert page.execute_script(first).startswith("399held")
    refresh(page)
    assert page.execute_script("return touched.size") < still + 120
    for number in range(20, 200):
        live.worker.shipper._hold(number, Unavailable("the lake is away", "wait"))
    wait_for(page, "problems", "20\N{EN DASH}199, 399 cannot ship")
    wait_for(page, "events", "partitions 160\N{EN DASH}199: held: the lake is away")
