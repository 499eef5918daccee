// Numbers, times and names as words. Times are UTC.

const count = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const number = (value) => (value === null ? "–" : count.format(Math.round(value)));
export const compact = (value) => short.format(value);
export const sentence = (text) =>
  text && `${text[0].toUpperCase()}${text.slice(1)}`.replace(/\.?$/, ".");

export function clock(at) {
  return new Date(at).toISOString().slice(11, 19);
}

export function duration(seconds) {
  const whole = Math.round(seconds);
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return joined(Math.floor(whole / 60), "min", whole % 60, "s");
  if (whole < 86_400) return joined(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
  return joined(Math.floor(whole / 86_400), "d", Math.floor((whole % 86_400) / 3600), "h");
}

// Only the largest unit, for small places.
export const rough = (seconds) => duration(seconds).replace(/^(\d+ (?:min|h|d)) .*$/, "$1");

function joined(big, bigUnit, small, smallUnit) {
  return small ? `${big} ${bigUnit} ${small} ${smallUnit}` : `${big} ${bigUnit}`;
}

export function size(bytes) {
  if (bytes === null) return "–";
  const step = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.max(bytes, 1)) / 3)));
  const value = bytes / 1000 ** step;
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} ${["B", "kB", "MB", "GB", "TB"][step]}`;
}

// Numbers in order, with runs of more than three as "7–12" and at most twelve parts.
export function ranges(numbers) {
  const runs = [];
  for (const each of [...numbers].sort((one, other) => one - other)) {
    const run = runs.at(-1);
    if (run && each === run.at(-1) + 1) run.push(each);
    else runs.push([each]);
  }
  const parts = runs.flatMap((run) => (run.length > 3 ? [`${run[0]}–${run.at(-1)}`] : run));
  const more = parts.length > 12 ? `, and ${parts.length - 12} more` : "";
  return parts.slice(0, 12).join(", ") + more;
}

// Lists of numbers in a text, as ranges.
export const withRanges = (text) =>
  text.replace(/\d+(?:, \d+){3,}/g, (list) => ranges(list.split(", ").map(Number)));

// An object's key is long, and says less than the rest of the sentence.
export const shortened = (text) => text.replace(/\S+\.parquet/g, "an object");
