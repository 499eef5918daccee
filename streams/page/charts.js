// Inline SVG of numbers: lines, shares, the timeline of windows. Texts go in as text, never as
// markup.

const SVG = "http://www.w3.org/2000/svg";
const MINUTE = 60_000;

export function node(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  return filled(made, attributes, children);
}

function shape(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// The end of an axis: the next round number; for seconds, one that halves well too.
const SECONDS = [10, 20, 30, 60, 120, 240, 600, 1200, 1800, 3600, 7200, 14_400, 21_600, 43_200];

function ceiling(value, seconds) {
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
// values are), reference {value, text}.
export function lines(width, points, options) {
  const { title, from, to, format, gap, seconds, reference } = options;
  const height = 118, left = 48, right = 6, top = 14, bottom = 20;
  const values = points.map(([, value]) => value);
  const highest = Math.max(0, ...values);
  const max = ceiling(Math.max(highest, reference ? reference.value : 0), seconds);
  const x = (at) => left + ((at - from) / (to - from)) * (width - left - right);
  const y = (value) => height - bottom - (value / max) * (height - top - bottom);
  const latest = values.length ? format(values.at(-1)) : "–";
  const summary = values.length
    ? `now ${latest}, highest ${format(highest)}` : "nothing measured yet";
  const chart = drawing(width, height, `${title}: ${summary}`);
  for (const value of [max / 2, max]) {
    chart.append(
      shape("line", { class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }),
      shape("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, format(value)),
    );
  }
  chart.append(
    shape("line", { class: "axis", x1: left, x2: width - right, y1: y(0), y2: y(0) }),
    shape("text", { x: left - 6, y: y(0) + 4, "text-anchor": "end" }, "0"),
  );
  ticks(chart, from, to, x, height, width);
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
      shape("line", { class: "reference", x1: left, x2: width - right, y1: at, y2: at }),
      shape("text", { class: "reference", x: left + 6, y: at - 4 }, reference.text),
    );
  }
  const said = node("span", {}, summary);
  follow(chart, points, x, width, height - bottom, (point) => {
    said.textContent = point ? `${clock(point[0])} UTC: ${format(point[1])}` : summary;
  });
  return node("figure", {}, node("figcaption", {}, node("b", {}, title), said), chart);
}

// Shows the point under the pointer.
function follow(chart, points, x, width, bottom, tell) {
  const cursor = shape("line", { class: "cursor", y1: 4, y2: bottom, visibility: "hidden" });
  chart.append(cursor);
  chart.addEventListener("pointermove", (event) => {
    const box = chart.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * width;
    const nearest = points.reduce(
      (best, point) =>
        best === null || Math.abs(x(point[0]) - at) < Math.abs(x(best[0]) - at) ? point : best,
      null,
    );
    if (nearest === null) return;
    cursor.setAttribute("x1", x(nearest[0]));
    cursor.setAttribute("x2", x(nearest[0]));
    cursor.setAttribute("visibility", "visible");
    tell(nearest);
  });
  chart.addEventListener("pointerleave", () => {
    cursor.setAttribute("visibility", "hidden");
    tell(null);
  });
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

function ticks(chart, from, to, x, height, width) {
  const minutes = (to - from) / MINUTE;
  const room = Math.min(6, Math.max(1, Math.floor(width / 100)));
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 180].find((each) => minutes / each <= room) ?? 360;
  for (let ago = 0; ago <= minutes; ago += step) {
    const text = ago === 0 ? "now" : ago >= 120 ? `${ago / 60} h` : `${ago} min`;
    const anchor = ago === 0 ? "end" : ago === minutes ? "start" : "middle";
    chart.append(
      shape("text", { x: x(to - ago * MINUTE), y: height - 4, "text-anchor": anchor }, text),
    );
  }
}

// The shortest axis that fits everything, in ms.
export function span(to, first, minutes) {
  return MINUTE * (minutes.find((each) => to - each * MINUTE <= first) ?? minutes.at(-1));
}

// rows: [{name, bars: [{from, to, kind, text}]}]; the axis ends at `to` and begins where bars do.
export function timeline(width, rows, to) {
  const bars = rows.flatMap((row) => row.bars);
  const first = Math.min(to, ...bars.map((bar) => bar.from));
  const wide = span(to, first, [5, 10, 30, 60, 120, 180, 360]);
  const from = to - wide;
  const left = 44, right = 6, tall = rows.length > 24 ? 9 : 16, pitch = tall + 4;
  const height = rows.length * pitch + 24;
  const x = (at) => left + ((Math.max(at, from) - from) / (to - from)) * (width - left - right);
  const counts = ["shipped", "waiting", "open", "held"]
    .map((kind) => [kind, bars.filter((bar) => bar.kind === kind).length])
    .filter(([, count]) => count)
    .map(([kind, count]) => `${count} ${kind}`);
  const chart = drawing(
    width, height,
    `Windows of ${rows.length} partitions in the last ${wide / MINUTE} minutes: ${counts.join(", ") || "none"}`,
  );
  rows.forEach((row, index) => {
    const y = index * pitch;
    chart.append(
      shape("rect", { class: "row", x: left, y, width: width - left - right, height: tall, rx: 3 }),
      shape("text", { x: left - 6, y: y + tall - 3.5, "text-anchor": "end" }, row.name),
    );
    for (const bar of row.bars) {
      const begin = x(bar.from), end = Math.max(x(bar.to), begin + 1);
      const length = Math.max(1.5, end - begin - 1);
      chart.append(
        shape(
          "rect",
          { class: bar.kind, x: begin, y, width: length, height: tall, rx: Math.min(3, length / 2) },
          shape("title", {}, bar.text),
        ),
      );
    }
  });
  ticks(chart, from, to, x, height, width);
  return chart;
}

// parts: [{kind, value, text}], of a whole.
export function shares(parts, whole, label) {
  const chart = shape("svg", {
    viewBox: "0 0 1000 10", preserveAspectRatio: "none", role: "img", "aria-label": label,
  });
  chart.append(shape("rect", { class: "track", x: 0, y: 0, width: 1000, height: 10 }));
  let at = 0;
  for (const part of parts) {
    const wide = whole ? (part.value / whole) * 1000 : 0;
    chart.append(
      shape(
        "rect",
        { class: part.kind, x: at, y: 0, width: Math.max(wide, part.value ? 4 : 0), height: 10 },
        shape("title", {}, part.text),
      ),
    );
    at += wide;
  }
  return chart;
}

export function clock(at) {
  return new Date(at).toISOString().slice(11, 19);
}
