// The status page: polls the worker every few seconds. Everything from alerts is shown as text
// only; the browser refuses anything else.

import { clock, lines, node, shares, span, timeline } from "./charts.js";

const EVERY = 3000;
// Warn when retention is this many seconds from a record that is not in the lake.
const NEAR = 3600;
const HOUR = 3_600_000;
const SHOWN_WINDOWS = 50;
const SHOWN_REJECTS = 5;
const SHOWN_EVENTS = 12;
// Share of rejects that is worth a warning.
const MANY = 0.01;

const byId = (id) => document.getElementById(id);
const count = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const sentence = (text) => text && `${text[0].toUpperCase()}${text.slice(1)}`.replace(/\.?$/, ".");
const number = (value) => (value === null ? "–" : count.format(Math.round(value)));

function duration(seconds) {
  const whole = Math.round(seconds);
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return joined(Math.floor(whole / 60), "min", whole % 60, "s");
  if (whole < 86_400) return joined(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
  return joined(Math.floor(whole / 86_400), "d", Math.floor((whole % 86_400) / 3600), "h");
}

// Only the largest unit, for small places.
const rough = (seconds) => duration(seconds).replace(/^(\d+ (?:min|h|d)) .*$/, "$1");

function joined(big, bigUnit, small, smallUnit) {
  return small ? `${big} ${bigUnit} ${small} ${smallUnit}` : `${big} ${bigUnit}`;
}

function size(bytes) {
  if (bytes === null) return "–";
  const step = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.max(bytes, 1)) / 3)));
  const value = bytes / 1000 ** step;
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} ${["B", "kB", "MB", "GB", "TB"][step]}`;
}

function named({ names, rows }) {
  return rows.map((row) => Object.fromEntries(names.map((name, index) => [name, row[index]])));
}

// ---- state and problems

const TITLES = {
  starting: "The worker is not running yet",
  kafka: "Kafka does not answer",
  unassigned: "No partition is assigned",
  paused: "Reading from Kafka is paused",
};
const STATES = {
  starting: ["Starting", "bad"],
  kafka: ["Kafka unreachable", "bad"],
  blocked: ["Blocked", "bad"],
  held: ["Held", "bad"],
  lake: ["Lake unreachable", "bad"],
  paused: ["Paused", "warn"],
  unassigned: ["No partitions", "warn"],
  transaction: ["Waiting for a transaction", "warn"],
};

function stateOf(report) {
  if (report.draining) return ["Draining", "warn"];
  for (const [kind, state] of Object.entries(STATES)) {
    if (report.problems.some((problem) => problem.kind === kind)) return state;
  }
  const behind = Math.max(0, ...report.partitions.map((each) => each.behind));
  if (behind > 2 * report.interval + 60) return ["Behind", "warn"];
  return lagOf(report) ? ["Working", "good"] : ["Idle, all in the lake", "good"];
}

const lagOf = (report) => report.partitions.reduce((sum, each) => sum + each.lag, 0);

function showState(report) {
  const [word, mood] = stateOf(report);
  const state = byId("state");
  if (state.textContent !== word) state.textContent = word;
  state.className = `state ${mood}`;
  document.title = `${word} · falcolake`;
  byId("route").replaceChildren(
    node("b", {}, report.topic), " → ", node("b", {}, report.lake), ` · ${report.worker}`,
  );
  byId("asked").textContent = `${clock(report.now)} UTC`;
}

// An object's key is long, and says less than the rest of the sentence.
const shortened = (text) => text.replace(/\S+\.parquet/g, "an object");

// What will become a problem.
function warningsOf(report) {
  const retention = report.partitions
    .filter((each) => each.spare_seconds !== null && each.spare_seconds < NEAR)
    .map((each) => ({
      kind: "retention",
      reason: `Kafka has ${duration(Math.max(0, each.spare_seconds))} of records left before the `
        + "first one that is not in the lake",
      try: "increase the topic's retention now, then fix what blocks the worker",
      seconds: 0,
      partition: each.partition,
    }));
  const slow = report.waiting
    .filter((each) => each.bytes !== null && !each.overdue)
    .map((each) => ({
      kind: "slow",
      reason: `${each.what} (${size(each.bytes)}) is under way`,
      try: "nothing is lost: it counts as hanging only when no more bytes are taken",
      seconds: each.seconds,
      partition: each.partition,
    }));
  return [...retention, ...slow];
}

// Problems of several partitions with the same reason are shown as one.
function showProblems(report) {
  const groups = new Map();
  for (const problem of [...report.problems, ...warningsOf(report)]) {
    if (problem.kind === "held") problem.reason = shortened(problem.reason);
    const key = JSON.stringify([problem.kind, problem.reason, problem.try]);
    groups.set(key, [...(groups.get(key) ?? []), problem]);
  }
  const cards = [...groups.values()].map((group) => {
    const { kind, reason, try: hint } = group[0];
    const since = report.now - Math.max(...group.map((each) => each.seconds)) * 1000;
    const numbers = group.map((each) => each.partition).join(", ");
    const whose = `Partition${group.length > 1 ? "s" : ""} ${numbers}`;
    const title = kind === "held" ? `${whose} cannot ship`
      : kind === "blocked" ? `${whose}: blocked until a person decides`
      : kind === "transaction" ? `${whose}: a transaction is open`
      : kind === "retention" ? `${whose}: retention is near`
      : kind === "lake" ? `${whose}: the lake does not answer`
      : kind === "slow" ? `${whose}: a put takes long` : TITLES[kind];
    const mood = kind === "slow" || STATES[kind]?.[1] === "warn" ? "problem warn" : "problem";
    return node(
      "div", { class: mood },
      node("h2", {}, `${title}, since ${clock(since).slice(0, 5)} UTC`),
      reason === title ? "" : node("p", {}, sentence(reason)),
      hint && !hint.startsWith("nothing is lost") ? node("p", {}, node("b", {}, "Try: "), hint)
        : node("p", {}, sentence(hint)),
    );
  });
  const place = byId("problems");
  const text = cards.map((card) => card.textContent).join("\n");
  // Screen readers read a replaced alert again.
  if (place.dataset.text !== text) {
    place.dataset.text = text;
    place.replaceChildren(...cards);
  }
}

// ---- figures and charts

function figure(name, value, note, mood = "") {
  return node(
    "div", { class: mood },
    node("dt", {}, name),
    node("dd", { class: "value" }, value),
    node("dd", { class: "note" }, note),
  );
}

function showFigures(report, samples, windows) {
  const behind = Math.max(0, ...report.partitions.map((each) => each.behind));
  const late = behind > 2 * report.interval + 60;
  const recent = samples.filter((each) => report.now - each.at <= 60_000);
  const rate = recent.reduce((sum, each) => sum + each.read, 0) / (recent.length || 1);
  const hour = windows.filter((each) => report.now - each.at <= HOUR);
  const last = windows.at(-1);
  const { staging } = report;
  const full = staging.bytes !== null && staging.bytes >= 0.8 * staging.max_bytes;
  const tight = staging.free !== null && staging.free < 2 * staging.min_free_bytes;
  const { findings, rejects, filtered } = report.hour;
  const all = findings + rejects + filtered;
  byId("figures").replaceChildren(
    figure(
      "Not in the lake yet", number(lagOf(report)),
      lagOf(report) ? `the oldest for ${rough(behind)}` : "all is in the lake",
      late ? "warn" : "",
    ),
    figure("Read from Kafka", `${number(rate)}/s`, `${number(all)} in the last hour`),
    figure(
      "Into the lake, last hour", number(hour.reduce((sum, each) => sum + each.records, 0)),
      `${number(hour.length)} windows, ${size(hour.reduce((sum, each) => sum + each.bytes, 0))}`,
    ),
    figure(
      "Last window", last ? `${rough(Math.max(0, report.now - last.at) / 1000)} ago` : "none yet",
      last ? `shipped in ${duration(last.seconds)}` : `one every ${duration(report.interval)}`,
    ),
    figure(
      "Rejects, last hour", number(rejects),
      rejects ? `${Number(((100 * rejects) / all).toPrecision(2))} % of the records` : "none",
      rejects > MANY * all ? "warn" : "",
    ),
    figure(
      "Staging", size(staging.bytes),
      `of ${size(staging.max_bytes)}, ${size(staging.free)} free`,
      full || tight ? "warn" : "",
    ),
  );
}

function showCharts(report, samples) {
  const place = byId("charts");
  const columns = getComputedStyle(place).gridTemplateColumns.split(" ");
  const width = Math.max(200, Math.floor(parseFloat(columns[0])) || 300);
  const length = span(report.now, samples[0]?.at ?? report.now, [5, 10, 30, 60]);
  const axis = { from: report.now - length, to: report.now, gap: 35_000 };
  const of = (name) => samples.map((each) => [each.at, each[name]]);
  const behind = Math.max(0, ...report.partitions.map((each) => each.behind));
  const compact = (value) => short.format(value);
  place.replaceChildren(
    lines(width, of("read"), { ...axis, title: "Read from Kafka, records/s", format: compact }),
    lines(width, [...of("lag"), [report.now, lagOf(report)]], {
      ...axis, title: "Not in the lake, records", format: compact,
    }),
    lines(width, [...of("behind"), [report.now, behind]], {
      ...axis,
      title: "Waiting time of the oldest",
      format: (value) => duration(value),
      seconds: true,
      reference: { value: report.interval, text: "window.interval" },
    }),
  );
}

// ---- partitions and windows

function cell(text, kind = "number") {
  return node("td", { class: kind }, text);
}

function showPartitions(report) {
  const most = Math.max(1, ...report.partitions.map((each) => each.lag));
  byId("partitions").replaceChildren(...report.partitions.map((each) => {
    const staged = Math.min(each.lag, Math.max(0, each.staged - each.committed));
    const unread = each.lag - staged;
    const [state, mood] = each.blocked ? ["blocked", "bad"]
      : each.held ? ["held", "bad"]
      : unread > 0 ? ["reading", ""] : each.lag ? ["staged", ""] : ["idle", "good"];
    const share = shares(
      [
        { kind: "staged", value: staged, text: `${number(staged)} staged` },
        { kind: "unread", value: unread, text: `${number(unread)} unread` },
      ],
      most,
      `${number(staged)} staged, ${number(unread)} unread`,
    );
    return node(
      "tr", {},
      node("th", { scope: "row" }, `${each.partition}`),
      cell(state, mood),
      cell(number(each.committed)), cell(number(each.staged)), cell(number(each.end)),
      cell(number(each.lag)),
      node("td", { class: "share" }, share),
      cell(each.lag ? duration(each.behind) : "–"),
      cell(number(each.waiting_windows)),
    );
  }));
  if (!report.partitions.length) {
    byId("partitions").replaceChildren(
      node("tr", {}, node("td", { colspan: 9, class: "quiet" }, "This worker has no partitions.")),
    );
  }
}

function showWindows(report, windows) {
  const rows = new Map(report.partitions.map((each) => [each.partition, []]));
  for (const each of windows) {
    if (!rows.has(each.partition)) rows.set(each.partition, []);
    rows.get(each.partition).push({
      from: each.oldest, to: each.at, kind: "shipped",
      text: `${number(each.records)} records [${each.first}, ${each.end}), in the lake at `
        + `${clock(each.at)} UTC, shipped in ${duration(each.seconds)}`,
    });
  }
  for (const each of report.partitions) {
    const bars = rows.get(each.partition);
    each.waiting.forEach((window, index) => bars.push({
      from: window.oldest, to: report.now, kind: each.held && index === 0 ? "held" : "waiting",
      text: `${number(window.records)} records [${window.first}, ${window.end}), sealed`,
    }));
    if (each.open) {
      bars.push({
        from: each.open.oldest, to: report.now, kind: "open",
        text: `${number(each.open.records)} records from ${each.open.first} on, open`,
      });
    }
  }
  const sorted = [...rows.entries()].sort(([one], [other]) => one - other)
    .map(([partition, bars]) => ({ name: `${partition}`, bars }));
  const place = byId("timeline");
  place.replaceChildren(
    sorted.length ? timeline(place.clientWidth, sorted, report.now)
      : node("p", { class: "quiet" }, "No partitions, so no windows."),
  );
  byId("windows").replaceChildren(...windows.slice(-SHOWN_WINDOWS).reverse().map((each) => node(
    "tr", {},
    cell(`${clock(each.at)} UTC`, "time"),
    cell(number(each.partition)), cell(number(each.first)), cell(number(each.end)),
    cell(number(each.findings)), cell(number(each.rejects)), cell(number(each.filtered)),
    cell(number(each.repeated)),
    cell(number(each.objects)), cell(size(each.bytes)), cell(duration(each.seconds)),
  )));
}

// ---- what the records are

function table(heads, rows) {
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

function showSeverities({ findings, severities }) {
  const known = Object.entries(severities).filter(([, each]) => each);
  const place = byId("severities");
  if (!known.length) {
    place.replaceChildren(nothing("No findings."));
    return;
  }
  const percent = (value) => `${((100 * value) / findings).toFixed(1)} %`;
  const bar = shares(
    known.map(([name, value]) => ({ kind: name, value, text: `${name}: ${number(value)}` })),
    findings,
    known.map(([name, value]) => `${name} ${percent(value)}`).join(", "),
  );
  place.replaceChildren(
    node("div", { class: "bar" }, bar),
    table(
      [["Severity", ""], ["Findings", "number"], ["Share", "number"]],
      known.map(([name, value]) => node(
        "tr", {},
        node("th", { scope: "row" }, node("span", { class: `key ${name}` }), name),
        cell(number(value)), cell(percent(value)),
      )),
    ),
  );
}

function showRules({ rules }) {
  byId("rules").replaceChildren(rules.length
    ? table(
      [["Rule", ""], ["Findings", "number"]],
      rules.map(([name, value]) => node("tr", {}, cell(name, "words"), cell(number(value)))),
    )
    : nothing("No findings."));
}

function showRejects({ reasons }, rejects) {
  byId("reasons").replaceChildren(reasons.length
    ? table(
      [["Reason", ""], ["Records", "number"]],
      reasons.map(([name, value]) => node("tr", {}, cell(name, "words"), cell(number(value)))),
    )
    : nothing("None."));
  if (!rejects.length) {
    byId("rejects").replaceChildren();
    return;
  }
  const latest = rejects[0];
  byId("rejects").replaceChildren(
    node("h3", {}, "The latest"),
    table(
      [["At, UTC", "time"], ["Partition", "number"], ["Offset", "number"], ["Reason", ""]],
      rejects.slice(0, SHOWN_REJECTS).map((each) => node(
        "tr", {},
        cell(clock(each.at), "time"), cell(number(each.partition)), cell(`${each.offset}`),
        node("td", { class: "words" }, each.reason,
          ...(each.excerpt ? [" ", node("code", {}, each.excerpt)] : [])),
      )),
    ),
    node("p", { class: "quiet" }, "To see one in full: ",
      node("code", {}, `falcolake dead-letter show ${latest.partition} ${latest.offset}`)),
  );
}

function showEvents(events) {
  byId("events").replaceChildren(events.length
    ? table(
      [["At, UTC", "time"], ["What", ""]],
      events.slice(0, SHOWN_EVENTS).map((each) => node(
        "tr", {}, cell(clock(each.at), "time"), cell(shortened(each.text), "words"),
      )),
    )
    : nothing("Nothing yet."));
}

// ---- polling

let latest = null;

function show(report) {
  const samples = named(report.samples), windows = named(report.windows);
  showState(report);
  showProblems(report);
  showFigures(report, samples, windows);
  showCharts(report, samples);
  showPartitions(report);
  showWindows(report, windows);
  showSeverities(report.hour);
  showRules(report.hour);
  showRejects(report.hour, report.rejects);
  showEvents(report.events);
  byId("versions").textContent =
    `falcolake ${report.version} · group ${report.group} · up for `
    + duration((report.now - report.began) / 1000);
}

function showSilence() {
  const state = byId("state");
  state.textContent = "No answer";
  state.className = "state bad";
  document.title = "No answer · falcolake";
  byId("asked").textContent = latest
    ? `the worker does not answer; this is its state at ${clock(latest.now)} UTC`
    : "the worker does not answer";
}

async function ask() {
  try {
    const answer = await fetch("status.json", { signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) throw new Error(`${answer.status}`);
    latest = await answer.json();
    document.body.classList.remove("stale");
    show(latest);
  } catch {
    document.body.classList.add("stale");
    showSilence();
  }
}

async function follow() {
  for (;;) {
    if (!document.hidden) await ask();
    await new Promise((done) => setTimeout(done, EVERY));
  }
}

window.addEventListener("resize", () => latest && show(latest));
document.addEventListener("visibilitychange", () => document.hidden || ask());
follow();
