// Keys for those who decide all day. A key only moves the focus to a verdict: Enter confirms it.
"use strict";

const picture = document.querySelector(".review-picture");
const note = document.getElementById("id_note");

function zoom() {
  if (picture && picture.querySelector("[data-zoom]")) picture.classList.toggle("zoomed");
}

function isWriting(target) {
  return target.closest("input, textarea, select, [contenteditable]") !== null;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    if (picture) picture.classList.remove("zoomed");
    if (event.target === note) note.blur();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target)) return;
  if (event.key === "z") zoom();
  else if (event.key === "w" && note) note.focus();
  else {
    const wanted = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!wanted) return;
    if (wanted.tagName === "A") wanted.click();
    else wanted.focus();
  }
  event.preventDefault();
});

document.querySelector("[data-zoom]")?.addEventListener("click", (event) => {
  event.preventDefault();
  zoom();
});

// A field in the list and its box on the page light up together.
function light(name, on) {
  document.querySelectorAll(`[data-field="${CSS.escape(name)}"], [data-shows="${CSS.escape(name)}"]`)
    .forEach((element) => element.classList.toggle("here", on));
}

document.querySelectorAll("[data-field], [data-shows]").forEach((element) => {
  const name = element.dataset.field || element.dataset.shows;
  element.addEventListener("mouseenter", () => light(name, true));
  element.addEventListener("mouseleave", () => light(name, false));
  element.addEventListener("focusin", () => light(name, true));
  element.addEventListener("focusout", () => light(name, false));
});
