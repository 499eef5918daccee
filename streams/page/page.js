// The status page: asks the worker every few seconds, and draws what it says. All that is drawn
// depends on the last report and on what the person does, so it can be drawn again at any time.
// Everything from alerts is shown as text only; the browser refuses anything else.

import { lines, span } from "./charts.js";
import { startCopying, withCommands } from "./copying.js";
import { node, patch } from "./dom.js";
import { showFleet } from "./fleet.js";
import {
  showEvents, showPartitions, showRejects, showRules, showSeverities, showWindows,
} from "./tables.js";
import {
  clock, compact, duration, number, ranges, rough, sentence, shortened, size,
} from "./words.js";

const EVERY = 3000;
// Warn when retention is this many seconds from a record that is not in the lake.
const NEAR = 3600;
const HOUR = 3_600_000;
// Share of rejects that is worth a warning.
const MANY = 0.01;

const byId = (id) => document.getElementById(id);

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

const lagOf = (report) => report.partitions.reduce((sum, each) => sum + each.lag, 0);
const behindOf = (report) => Math.max(0, ...report.partitions.map((each) => each.behind));
const isBehind = (report) => behindOf(report) > 2 * report.interval + 60;

function stateOf(report) {
  if (report.draining) return ["Draining", "warn"];
  for (const [kind, state] of Object.entries(STATES)) {
    if (report.problems.some((problem) => problem.kind === kind)) return state;
  }
  if (isBehind(report)) return ["Behind", "warn"];
  return lagOf(report) ? ["Working", "good"] : ["Idle, all in the lake", "good"];
}

function showState([word, mood]) {
  patch(byId("state"), word);
  if (byId("state").className !== `state ${mood}`) byId("state").className = `state ${mood}`;
  if (document.title !== `${word} · falcolake`) document.title = `${word} · falcolake`;
}

function showHeader(report) {
  showState(stateOf(report));
  patch(
    byId("route"),
    node("b", {}, report.topic), " → ", node("b", {}, report.lake), ` · ${report.worker}`,
  );
  patch(byId("asked"), `${clock(report.now)} UTC`);
}

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

// Problems of several partitions with the same reason are shown as one. Place and nodes of those
// that stay are kept, so a screen reader reads only what is new.
function showProblems(report) {
  const groups = new Map();
  for (const problem of [...report.problems, ...warningsOf(report)]) {
    const reason = problem.kind === "held" ? shortened(problem.reason) : problem.reason;
    const key = JSON.stringify([problem.kind, reason, problem.try]);
    groups.set(key, [...(groups.get(key) ?? []), { ...problem, reason }]);
  }
  patch(byId("problems"), ...[...groups].map(([key, group]) => card(report, key, group)));
}

function card(report, key, group) {
  const { kind, reason, try: hint } = group[0];
  const since = report.now - Math.max(...group.map((each) => each.seconds)) * 1000;
  const numbers = ranges(group.map((each) => each.partition));
  const whose = `Partition${group.length > 1 ? "s" : ""} ${numbers}`;
  const title = kind === "held" ? `${whose} cannot ship`
    : kind === "blocked" ? `${whose}: blocked until a person decides`
    : kind === "transaction" ? `${whose}: a transaction is open`
    : kind === "retention" ? `${whose}: retention is near`
    : kind === "lake" ? `${whose}: the lake does not answer`
    : kind === "slow" ? `${whose}: a put takes long` : TITLES[kind];
  const mood = kind === "slow" || STATES[kind]?.[1] === "warn" ? "problem warn" : "problem";
  return node(
    "div", { key, class: mood },
    node("h2", {}, `${title}, since ${clock(since).slice(0, 5)} UTC`),
    reason === title ? "" : node("p", {}, ...withCommands(sentence(reason))),
    hint && !hint.startsWith("nothing is lost")
      ? node("p", {}, node("b", {}, "Try: "), ...withCommands(hint))
      : node("p", {}, ...withCommands(sentence(hint))),
  );
}

// ---- figures and charts

function figure(name, value, note, mood = "") {
  return node(
    "div", { key: name, class: mood },
    node("dt", {}, name),
    node("dd", { class: "value" }, value),
    node("dd", { class: "note" }, note),
  );
}

function showFigures(report, samples, windows) {
  const recent = samples.filter((each) => report.now - each.at <= 60_000);
  const rate = recent.reduce((sum, each) => sum + each.read, 0) / (recent.length || 1);
  const hour = windows.filter((each) => report.now - each.at <= HOUR);
  const last = windows.at(-1);
  const { staging } = report;
  const full = staging.bytes !== null && staging.bytes >= 0.8 * staging.max_bytes;
  const tight = staging.free !== null && staging.free < 2 * staging.min_free_bytes;
  const { findings, rejects, filtered } = report.hour;
  const all = findings + rejects + filtered;
  patch(
    byId("figures"),
    figure(
      "Not in the lake yet", number(lagOf(report)),
      lagOf(report) ? `the oldest for ${rough(behindOf(report))}` : "all is in the lake",
      isBehind(report) ? "warn" : "",
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

// The chart that the pointer is on, by its title, and where on it.
let pointer = { title: null, at: 0 };

function showCharts(report, samples) {
  const place = byId("charts");
  const columns = getComputedStyle(place).gridTemplateColumns.split(" ");
  const width = Math.max(200, Math.floor(parseFloat(columns[0])) || 300);
  const length = span(report.now, samples[0]?.at ?? report.now, [5, 10, 30, 60]);
  const of = (name) => samples.map((each) => [each.at, each[name]]);
  const chart = (title, points, format, more = {}) => lines(width, points, {
    title, format, from: report.now - length, to: report.now, gap: 35_000,
    pointer: pointer.title === title ? pointer.at : null, ...more,
  });
  patch(
    place,
    chart("Read from Kafka, records/s", of("read"), compact),
    chart("Not in the lake, records", [...of("lag"), [report.now, lagOf(report)]], compact),
    chart(
      "Waiting time of the oldest", [...of("behind"), [report.now, behindOf(report)]], duration,
      { seconds: true, reference: { value: report.interval, text: "window.interval" } },
    ),
  );
}

function point(event) {
  const chart = event.type === "pointermove" ? event.target.closest("#charts svg") : null;
  const title = chart?.closest("figure").dataset.title ?? null;
  if (title === null && pointer.title === null) return;
  const box = chart?.getBoundingClientRect();
  const at = chart ? ((event.clientX - box.left) / box.width) * chart.viewBox.baseVal.width : 0;
  pointer = { title, at };
  if (latest) showCharts(latest, named(latest.samples));
}

// ---- polling

let latest = null;
let fleet = null;
let answers = true;

function draw() {
  if (latest) show(latest);
  if (fleet) showFleet(fleet);
  if (!answers) showSilence();
}

function show(report) {
  const samples = named(report.samples), windows = named(report.windows);
  showHeader(report);
  showProblems(report);
  showFigures(report, samples, windows);
  showCharts(report, samples);
  showPartitions(report);
  showWindows(report, windows);
  showSeverities(report.hour);
  showRules(report.hour);
  showRejects(report.hour, report.rejects);
  showEvents(report.events);
  patch(
    byId("versions"),
    `falcolake ${report.version} · group ${report.group} · up for `
    + duration((report.now - report.began) / 1000),
  );
}

function showSilence() {
  showState(["No answer", "bad"]);
  patch(byId("asked"), latest
    ? `the worker does not answer; this is its state at ${clock(latest.now)} UTC`
    : "the worker does not answer");
}

async function get(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(10_000) });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

async function ask() {
  try {
    [latest, fleet] = await Promise.all([get("status.json"), get("fleet.json")]);
    answers = true;
  } catch {
    answers = false;
  }
  document.body.classList.toggle("stale", !answers);
  draw();
}

async function follow() {
  for (;;) {
    if (!document.hidden) await ask().catch(console.error);
    await new Promise((done) => setTimeout(done, EVERY));
  }
}

startCopying(draw);
byId("charts").addEventListener("pointermove", point);
byId("charts").addEventListener("pointerleave", point);
window.addEventListener("resize", draw);
document.addEventListener("visibilitychange", () => document.hidden || ask());
follow();
