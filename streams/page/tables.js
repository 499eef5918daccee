// The tables: partitions, windows, and what the records of the last hour were.

import { ceiling, shares, swatch, timeline } from "./charts.js";
import { copyable } from "./copying.js";
import { node, patch } from "./dom.js";
import { clock, duration, number, ranges, shortened, size, withRanges } from "./words.js";

const SHOWN_WINDOWS = 50;
const SHOWN_REJECTS = 5;
const SHOWN_EVENTS = 12;
// Milliseconds between the same events of two partitions that are shown as one.
const SOON = 30_000;

const byId = (id) => document.getElementById(id);

// ---- partitions

// What needs a person comes first; the style sheet has a symbol for each.
const STATES = ["blocked", "held", "late", "reading", "shipping", "staged", "idle"];
const URGENT = ["blocked", "held", "late"];

// Whether a record has waited longer than a window's interval and the time that shipping may take.
export const isLate = (behind, interval) => behind > interval + Math.max(10, interval / 10);

function stateOf(each, interval) {
  if (each.blocked) return "blocked";
  if (each.held) return "held";
  if (!each.lag) return "idle";
  if (isLate(each.behind, interval)) return "late";
  if (each.staged < each.end) return "reading";
  return each.waiting_windows ? "shipping" : "staged";
}

const tag = (state) => node("span", { class: `tag ${state}` }, state);

export function showPartitions(report) {
  const found = report.partitions.map((each) => [each, stateOf(each, report.interval)]);
  const rank = ([, state]) => (URGENT.includes(state) ? URGENT.indexOf(state) : URGENT.length);
  const rows = [...found].sort((one, other) => rank(one) - rank(other)); // stable
  const most = ceiling(Math.max(1, ...report.partitions.map((each) => each.lag)));
  const counts = STATES.map((state) => [state, found.filter(([, each]) => each === state).length]);
  patch(
    byId("states"),
    ...counts.filter(([, count]) => count).map(([state, count]) =>
      node("span", { key: state }, `${number(count)} `, tag(state))),
  );
  patch(
    byId("partitions"),
    ...rows.map(([each, state]) => partitionRow(each, state, most, report.interval)),
  );
  if (!rows.length) {
    patch(
      byId("partitions"),
      node("tr", {}, node("td", { colspan: 9, class: "quiet" }, "This worker has no partitions.")),
    );
  }
}

function partitionRow(each, state, most, interval) {
  const staged = Math.min(each.lag, Math.max(0, each.staged - each.committed));
  const unread = each.lag - staged;
  const share = shares(
    [
      {
        kind: isLate(each.behind, interval) ? "late" : "staged", value: staged,
        text: `${number(staged)} staged`,
      },
      { kind: "unread", value: unread, text: `${number(unread)} unread` },
    ],
    most,
    `${number(staged)} staged, ${number(unread)} unread`,
  );
  return node(
    "tr", { key: each.partition },
    node("th", { scope: "row" }, `${each.partition}`),
    node("td", {}, tag(state)),
    cell(number(each.lag)), cell(each.lag ? duration(each.behind) : "–"),
    node("td", { class: "share" }, share),
    cell(number(each.committed)), cell(number(each.staged)), cell(number(each.end)),
    cell(number(each.waiting_windows)),
  );
}

// ---- windows

const KINDS = {
  shipped: "in the lake", open: "open", waiting: "sealed, waiting",
  late: "sealed, past the interval", held: "held",
};

export function showWindows(report, windows) {
  const rows = new Map(report.partitions.map((each) => [each.partition, []]));
  for (const each of windows) {
    if (!rows.has(each.partition)) rows.set(each.partition, []);
    rows.get(each.partition).push({
      key: each.first, from: each.oldest, to: each.at, kind: "shipped",
      text: `${number(each.records)} records [${each.first}, ${each.end}), in the lake at `
        + `${clock(each.at)} UTC, shipped in ${duration(each.seconds)}`,
    });
  }
  for (const each of report.partitions) rows.get(each.partition).push(...waiting(report, each));
  const sorted = [...rows.entries()].sort(([one], [other]) => one - other)
    .map(([partition, bars]) => ({ name: `${partition}`, bars }));
  const place = byId("timeline");
  const nothing = node("p", { class: "quiet" }, "No partitions, so no windows.");
  patch(place, ...(sorted.length ? timeline(place.clientWidth, sorted, report.now) : [nothing]));
  patch(
    byId("kinds"),
    ...Object.entries(KINDS).map(([kind, text]) => node("span", {}, swatch(kind), text)),
    node("span", { class: "quiet" }, "a bar runs from the oldest record's time in Kafka to the commit"),
  );
  patch(byId("windows"), ...windows.slice(-SHOWN_WINDOWS).reverse().map((each) => node(
    "tr", { key: `${each.partition} ${each.first}` },
    cell(`${clock(each.at)} UTC`, "time"),
    cell(number(each.partition)), cell(number(each.first)), cell(number(each.end)),
    cell(number(each.findings)), cell(number(each.rejects)), cell(number(each.filtered)),
    cell(number(each.repeated)),
    cell(number(each.objects)), cell(size(each.bytes)), cell(duration(each.seconds)),
  )));
}

// A partition's windows that are not in the lake, as bars that last until now.
function waiting(report, each) {
  const bars = each.waiting.map((window, index) => ({
    key: window.first,
    from: window.oldest,
    kind: each.held && index === 0 ? "held"
      : isLate((report.now - window.oldest) / 1000, report.interval) ? "late" : "waiting",
    text: `${number(window.records)} records [${window.first}, ${window.end}), sealed`,
  }));
  if (each.open) {
    bars.push({
      key: each.open.first, from: each.open.oldest, kind: "open",
      text: `${number(each.open.records)} records from ${each.open.first} on, open`,
    });
  }
  return bars;
}

// ---- what the records are

function cell(text, kind = "number") {
  return node("td", { class: kind }, text);
}

export function table(heads, rows) {
  return node(
    "table", {},
    node("thead", {}, node("tr", {}, ...heads.map(([head, kind]) =>
      node("th", { scope: "col", class: kind }, head)))),
    node("tbody", {}, ...rows),
  );
}

function nothing(text) {
  return node("p", { class: "quiet" }, text);
}

export function showSeverities({ findings, severities }) {
  const known = Object.entries(severities).filter(([, each]) => each);
  const percent = (value) => `${((100 * value) / findings).toFixed(1)} %`;
  patch(byId("severities"), known.length
    ? table(
      [["Severity", ""], ["Findings", "number"], ["Share", "number"], ["", "share"]],
      known.map(([name, value]) => node(
        "tr", { key: name },
        node("th", { scope: "row" }, name),
        cell(number(value)), cell(percent(value)),
        node(
          "td", { class: "share" },
          shares([{ kind: name, value, text: percent(value) }], findings, percent(value)),
        ),
      )),
    )
    : nothing("No findings."));
}

export function showRules({ rules }) {
  patch(byId("rules"), rules.length
    ? table(
      [["Rule", ""], ["Findings", "number"]],
      rules.map(([name, value]) =>
        node("tr", { key: name }, cell(name, "words"), cell(number(value)))),
    )
    : nothing("No findings."));
}

export function showRejects({ reasons }, rejects) {
  patch(byId("reasons"), reasons.length
    ? table(
      [["Reason", ""], ["Records", "number"]],
      reasons.map(([name, value]) =>
        node("tr", { key: name }, cell(name, "words"), cell(number(value)))),
    )
    : nothing("None."));
  if (!rejects.length) {
    patch(byId("rejects"));
    return;
  }
  const latest = rejects[0];
  patch(
    byId("rejects"),
    node("h3", {}, "The latest"),
    table(
      [["At, UTC", "time"], ["Partition", "number"], ["Offset", "number"], ["Reason", ""]],
      rejects.slice(0, SHOWN_REJECTS).map((each) => node(
        "tr", { key: `${each.partition} ${each.offset}` },
        cell(clock(each.at), "time"), cell(number(each.partition)), cell(`${each.offset}`),
        node("td", { class: "words" }, each.reason,
          ...(each.excerpt ? [" ", node("code", {}, each.excerpt)] : [])),
      )),
    ),
    node("p", { class: "quiet" }, "To see one in full: ",
      copyable(`falcolake dead-letter show ${latest.partition} ${latest.offset}`)),
  );
}

export function showEvents(events) {
  patch(byId("events"), events.length
    ? table(
      [["At, UTC", "time"], ["What", ""]],
      joined(events).slice(0, SHOWN_EVENTS).map(({ key, at, numbers, text }) => node(
        "tr", { key },
        cell(clock(at), "time"),
        cell(
          numbers.length ? `partition${numbers.length > 1 ? "s" : ""} ${ranges(numbers)}: ${text}`
            : withRanges(text),
          "words",
        ),
      )),
    )
    : nothing("Nothing yet."));
}

// Events, newest first; what happened to one partition after the other is one event.
function joined(events) {
  const found = [];
  for (const { at, text } of events) {
    const [, number, rest] = /^partition (\d+): (.*)$/s.exec(shortened(text)) ?? [];
    const last = found.at(-1);
    if (number !== undefined && last?.numbers.length && last.text === rest
      && last.earliest - at < SOON && !last.numbers.includes(Number(number))) {
      Object.assign(last, { key: `${at} ${text}`, earliest: at });
      last.numbers.push(Number(number));
    } else {
      const numbers = number === undefined ? [] : [Number(number)];
      found.push({ key: `${at} ${text}`, at, earliest: at, numbers, text: rest ?? shortened(text) });
    }
  }
  return found;
}
