"use strict";
// The page's policy allows no inline scripts, so the start stands in a file of its own.
const page = document.getElementById("redoc");
window.Redoc.init(page.dataset.schema, { hideDownloadButton: false, theme: { typography: {
  fontFamily: "system-ui, sans-serif", headings: { fontFamily: "system-ui, sans-serif" },
} } }, page);
