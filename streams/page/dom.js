// Elements, and how a place on the page becomes what was drawn anew: nodes that are the same stay,
// with the person's selection, focus, scroll position and tooltip. Texts go in as text, never as
// markup.

const SVG = "http://www.w3.org/2000/svg";

// The attribute `key` is no attribute: it names a child among its siblings, so that it stays itself
// when others come and go.
export function node(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function shape(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "key") made.key = `${value}`;
    else if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Makes the children of a place equal to these, which must be new.
export function patch(place, ...children) {
  const { anchorNode, anchorOffset, focusNode, focusOffset } = document.getSelection();
  const fresh = document.createDocumentFragment();
  fresh.append(...children);
  patchChildren(place, [...fresh.childNodes]);
  select(anchorNode, anchorOffset, focusNode, focusOffset);
}

// Selects again what a text that changed, or a row that moved, has dropped.
function select(anchor, anchorOffset, focus, focusOffset) {
  const now = document.getSelection();
  if (!anchor?.isConnected || !focus?.isConnected) return;
  if (now.anchorNode === anchor && now.anchorOffset === anchorOffset
    && now.focusNode === focus && now.focusOffset === focusOffset) return;
  const within = (of, offset) => Math.min(offset, (of.data ?? of.childNodes).length);
  now.setBaseAndExtent(anchor, within(anchor, anchorOffset), focus, within(focus, focusOffset));
}

function patchChildren(place, fresh) {
  const keyed = new Map();
  for (const child of place.childNodes) if (child.key !== undefined) keyed.set(child.key, child);
  const kept = new Set(fresh.map((each) => each.key));
  for (const [key, child] of keyed) if (!kept.has(key)) child.remove();
  let at = place.firstChild;
  for (const made of fresh) {
    const live = made.key === undefined ? at : keyed.get(made.key);
    keyed.delete(made.key);
    if (!live || live.nodeName !== made.nodeName || live.key !== made.key) {
      place.insertBefore(made, at);
      continue;
    }
    // One that was moved down: out of the way, and its turn comes.
    if (live !== at && live === at?.nextSibling) place.append(at), at = live;
    if (live === at) at = at.nextSibling;
    else place.insertBefore(live, at);
    patchNode(live, made);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function patchNode(live, made) {
  if (live.nodeType !== Node.ELEMENT_NODE) {
    if (live.data !== made.data) live.data = made.data;
    return;
  }
  for (const { name, value } of made.attributes) {
    if (live.getAttribute(name) !== value) live.setAttribute(name, value);
  }
  for (const { name } of [...live.attributes]) {
    if (!made.hasAttribute(name)) live.removeAttribute(name);
  }
  patchChildren(live, [...made.childNodes]);
}
