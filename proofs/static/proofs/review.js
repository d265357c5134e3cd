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
