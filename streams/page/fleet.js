// All workers of the group, as they answer each other on the control topic.

import { node, patch } from "./dom.js";
import { table } from "./tables.js";
import { clock, number, ranges, sentence, shortened } from "./words.js";

function stateOf(each) {
  if (each.answers === false) return ["does not answer", "held"];
  if (Object.keys(each.held).length) return ["held", "held"];
  if (each.paused) return ["paused", "late"];
  return each.answers ? ["answers", "idle"] : ["asked", "reading"];
}

// What a worker says is wrong; partitions with the same reason together.
function complaints(each) {
  const reasons = new Map();
  for (const [partition, reason] of Object.entries(each.held)) {
    const text = shortened(reason);
    reasons.set(text, [...(reasons.get(text) ?? []), Number(partition)]);
  }
  const found = [...reasons].map(([reason, held]) => `${ranges(held)} cannot ship: ${reason}`);
  if (each.paused) found.unshift(`does not read: ${each.paused}`);
  return found.map(sentence).join(" ");
}

function row(each) {
  const [state, mood] = stateOf(each);
  const name = each.own ? [each.worker, node("span", { class: "quiet" }, " this page")]
    : each.address ? [node("a", { href: each.address, rel: "noreferrer" }, each.worker)]
    : [each.worker];
  const heard = each.heard === null ? "never heard" : `last heard at ${clock(each.heard)} UTC`;
  return node(
    "tr", { key: each.worker },
    node("th", { scope: "row", class: "words" }, ...name),
    node("td", {}, node("span", { class: `tag ${mood}` }, state)),
    node("td", { class: "number" }, number(each.lag)),
    node("td", { class: "words" }, each.partitions.length ? ranges(each.partitions) : "none"),
    node("td", { class: "says" }, each.answers === false ? heard : complaints(each)),
    node("td", { class: "time" }, each.version),
  );
}

export function showFleet({ workers, unknown, trouble }) {
  const more = unknown === 1 ? "A further worker, without partitions, does not answer."
    : `${unknown} further workers, without partitions, do not answer.`;
  patch(
    document.getElementById("workers"),
    workers.length
      ? table(
        [
          ["Worker", ""], ["State", ""], ["Not in the lake", "number"], ["Partitions", ""], ["Says", ""],
          ["Version", ""],
        ],
        workers.map(row),
      )
      : node("p", { class: "quiet" }, trouble ? "Not known." : "They are being asked."),
    unknown ? node("p", { class: "quiet" }, more) : "",
    trouble ? node("p", { class: "quiet" }, sentence(`the workers cannot be asked: ${trouble}`)) : "",
  );
}
