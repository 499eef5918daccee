// Commands that the page suggests, each with a button that copies it.

import { node } from "./dom.js";

const SHOWN = 2000;
let copied = { text: null, answer: "" };

export function copyable(command) {
  const answer = copied.text === command ? copied.answer : "Copy";
  return node(
    "span", { class: "command" },
    node("code", {}, command),
    " ",
    node("button", { type: "button", "data-copy": command, title: `Copy ${command}` }, answer),
  );
}

// A sentence in which commands stand in quotes, with a button behind each of them.
export function withCommands(text) {
  return text.split(/['`](falcolake [^'`]+)['`]/)
    .map((part, index) => (index % 2 ? copyable(part) : part));
}

// Copies when a button is pressed, and draws the page again to show that.
export function startCopying(draw) {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const text = button.dataset.copy;
    const answer = (await copy(text, button)) ? "Copied" : "Press Ctrl+C";
    copied = { text, answer };
    document.getElementById("said").textContent = `${answer}: ${text}`;
    draw();
    setTimeout(() => {
      if (copied.text !== text) return;
      copied = { text: null, answer: "" };
      document.getElementById("said").textContent = "";
      draw();
    }, SHOWN);
  });
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Not over plain HTTP from another machine. There the old way works, and leaves it selected.
    document.getSelection().selectAllChildren(button.parentElement.querySelector("code"));
    return document.execCommand("copy");
  }
}
