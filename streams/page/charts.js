// Inline SVG of numbers: lines, shares, the timeline of windows. Axes have clock times, UTC.

import { node, shape } from "./dom.js";
import { clock } from "./words.js";

const MINUTE = 60_000;
// Pixels between the ends of a time axis and what is left and right of it.
const LEFT = 48, RIGHT = 6;

// The end of an axis: the next round number; for seconds, one that halves well too.
const SECONDS = [10, 20, 30, 60, 120, 240, 600, 1200, 1800, 3600, 7200, 14_400, 21_600, 43_200];

export function ceiling(value, seconds = false) {
  const found = seconds ? SECONDS.find((step) => step >= value) : null;
  if (found) return found;
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value);
}

function drawing(width, height, label) {
  return shape("svg", {
    viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": label,
  });
}

// points: [[epoch ms, value]]; options: title, from, to, format, gap (ms), seconds (whether the
// values are), reference {value, text}, pointer (where the pointer is, or null).
export function lines(width, points, options) {
  const { title, from, to, format, gap, seconds, reference, pointer } = options;
  const height = 118, top = 14, bottom = 20;
  const values = points.map(([, value]) => value);
  const highest = Math.max(0, ...values);
  const max = ceiling(Math.max(highest, reference ? reference.value : 0), seconds);
  const x = (at) => LEFT + ((at - from) / (to - from)) * (width - LEFT - RIGHT);
  const y = (value) => height - bottom - (value / max) * (height - top - bottom);
  const summary = values.length
    ? `now ${format(values.at(-1))}, highest ${format(highest)}` : "nothing measured yet";
  const chart = drawing(width, height, `${title}: ${summary}`);
  for (const value of [max / 2, max]) {
    chart.append(
      shape("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
      shape("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, format(value)),
    );
  }
  chart.append(
    shape("line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: y(0), y2: y(0) }),
    shape("text", { x: LEFT - 6, y: y(0) + 4, "text-anchor": "end" }, "0"),
    ...ticks(from, to, x, y(0), width),
  );
  for (const part of pieces(points, gap)) {
    const path = part.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`);
    const ends = [x(part[0][0]), x(part.at(-1)[0])];
    if (part.length === 1) {
      chart.append(shape("circle", { class: "dot", cx: ends[0], cy: y(part[0][1]), r: 2 }));
    }
    chart.append(
      shape("polygon", { class: "area", points: `${ends[0]},${y(0)} ${path.join(" ")} ${ends[1]},${y(0)}` }),
      shape("polyline", { class: "line", points: path.join(" ") }),
    );
  }
  if (reference && reference.value <= max) {
    const at = y(reference.value);
    chart.append(
      shape("line", { class: "reference", x1: LEFT, x2: width - RIGHT, y1: at, y2: at }),
      shape("text", { class: "reference", x: LEFT + 6, y: at - 4 }, reference.text),
    );
  }
  const pointed = nearest(points, x, pointer);
  if (pointed) {
    const at = x(pointed[0]);
    chart.append(shape("line", { class: "cursor", x1: at, x2: at, y1: 4, y2: height - bottom }));
  }
  const said = pointed ? `${clock(pointed[0])} UTC: ${format(pointed[1])}` : summary;
  return node(
    "figure", { key: title, "data-title": title },
    node("figcaption", {}, node("b", {}, title), node("span", {}, said)), chart,
  );
}

function nearest(points, x, pointer) {
  if (pointer === null || !points.length) return null;
  const off = ([at]) => Math.abs(x(at) - pointer);
  return points.reduce((best, point) => (off(point) < off(best) ? point : best));
}

function pieces(points, gap) {
  const parts = [];
  for (const point of points) {
    const part = parts.at(-1);
    if (part && point[0] - part.at(-1)[0] <= gap) part.push(point);
    else parts.push([point]);
  }
  return parts;
}

// Marks and clock times under an axis, at round times.
function ticks(from, to, x, y, width) {
  const minutes = (to - from) / MINUTE;
  const room = Math.min(8, Math.max(2, Math.floor(width / 90)));
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 180];
  const step = MINUTE * (steps.find((each) => minutes / each <= room) ?? 360);
  const made = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
    const place = x(at);
    if (place < LEFT + 14 || place > width - RIGHT - 12) continue; // would be cut off
    made.push(
      shape("line", { key: `mark ${at}`, class: "axis", x1: place, x2: place, y1: y, y2: y + 4 }),
      shape("text", { key: at, class: "time", x: place, y: y + 16, "text-anchor": "middle" },
        clock(at).slice(0, 5)),
    );
  }
  return made;
}

// The shortest axis that fits everything, in ms.
export function span(to, first, minutes) {
  return MINUTE * (minutes.find((each) => to - each * MINUTE <= first) ?? minutes.at(-1));
}

// The kinds of windows: each has a pattern or an outline of its own, not just a colour.
const PATTERNS = { waiting: "url(#fill-waiting)", late: "url(#fill-late)", held: "url(#fill-held)" };

export function mark(kind, attributes, ...children) {
  return shape("rect", { class: `mark ${kind}`, fill: PATTERNS[kind], ...attributes }, ...children);
}

// A small example of a mark, for a legend.
export function swatch(kind) {
  return shape(
    "svg", { class: "key", viewBox: "0 0 16 12", "aria-hidden": "true" },
    mark(kind, { x: 1, y: 1, width: 14, height: 10, rx: 2 }),
  );
}

// rows: [{name, bars: [{key, from, to, kind, text}]}]; a bar without `to` lasts until now. The axis
// ends at `now` and begins where bars do. Rows and axis are apart, so that many rows can scroll.
// Within a period, bars keep their places and only the group moves: a refresh changes few nodes.
export function timeline(width, rows, now) {
  const bars = rows.flatMap((row) => row.bars);
  const first = bars.reduce((least, bar) => Math.min(least, bar.from), now);
  const wide = span(now, first, [5, 10, 30, 60, 120, 180, 360]);
  const from = now - wide, inner = width - LEFT - RIGHT;
  const tall = rows.length > 24 ? 11 : 16, pitch = tall + 4;
  const anchor = Math.floor(from / wide) * wide;
  const place = (at) => ((at - anchor) / wide) * inner;
  const counts = ["shipped", "waiting", "late", "open", "held"]
    .map((kind) => [kind, bars.filter((bar) => bar.kind === kind).length])
    .filter(([, count]) => count)
    .map(([kind, count]) => `${count} ${kind}`);
  const chart = drawing(
    width, rows.length * pitch,
    `Windows of ${rows.length} partitions in the last ${wide / MINUTE} minutes: ${counts.join(", ") || "none"}`,
  );
  const moving = shape("g", { transform: `translate(${(-place(from)).toFixed(1)} 0)` });
  rows.forEach((row, index) => {
    const y = index * pitch;
    chart.append(
      shape("rect", { key: `row ${row.name}`, class: "row", x: LEFT, y, width: inner, height: tall, rx: 3 }),
      shape("text", { key: row.name, x: LEFT - 6, y: y + tall / 2 + 4, "text-anchor": "end" }, row.name),
    );
    const line = shape("g", { key: row.name, transform: `translate(0 ${y})` });
    for (const bar of row.bars) {
      if (bar.to < from) continue;
      const begin = place(bar.from), end = place(bar.to ?? anchor + 3 * wide);
      const length = Math.max(1.5, end - begin - 1);
      line.append(mark(
        bar.kind,
        {
          key: bar.key, x: begin.toFixed(1), y: .5, width: length.toFixed(1), height: tall - 1,
          rx: Math.min(3, length / 2),
        },
        shape("title", {}, bar.text),
      ));
    }
    moving.append(line);
  });
  chart.append(shape(
    "svg",
    { x: LEFT, y: 0, width: inner, height: rows.length * pitch, class: "clip", "aria-hidden": "true" },
    moving,
  ));
  const axis = drawing(width, 20, `From ${clock(from).slice(0, 5)} to ${clock(now).slice(0, 5)} UTC`);
  axis.append(...ticks(from, now, (at) => LEFT + ((at - from) / wide) * inner, 0, width));
  return [
    node(
      "div", {
        key: "rows", class: "scroll tall", role: "region", "aria-label": "Windows by partition",
        tabindex: 0,
      },
      chart,
    ),
    node("div", { key: "axis" }, axis),
  ];
}

// parts: [{kind, value, text}], of a whole. Kinds differ in height too.
export function shares(parts, whole, label) {
  const chart = shape("svg", {
    viewBox: "0 0 1000 12", preserveAspectRatio: "none", role: "img", "aria-label": label,
  });
  chart.append(shape("rect", { class: "track", x: 0, y: 0, width: 1000, height: 12 }));
  let at = 0;
  for (const part of parts) {
    const wide = whole ? (part.value / whole) * 1000 : 0;
    const thin = part.kind === "unread";
    chart.append(
      shape(
        "rect",
        {
          class: `part ${part.kind}`, x: at.toFixed(1), y: thin ? 4 : 0,
          width: Math.max(wide, part.value ? 4 : 0).toFixed(1), height: thin ? 4 : 12,
        },
        shape("title", {}, part.text),
      ),
    );
    at += wide;
  }
  return chart;
}
