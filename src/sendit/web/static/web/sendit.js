// What the pages do beyond htmx: say when they are stale, leave alone what is being used,
// and scroll and window the picture of an image.  Everything else works without this file.
"use strict";

const stale = document.getElementById("stale");
for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, () => { if (stale) stale.hidden = false; });
}
document.addEventListener("htmx:beforeSwap", (event) => {
  const live = document.getElementById("live");
  if (!live) return;
  if (event.detail.xhr.status === 200 && stale) stale.hidden = true;
  // Somebody is reading or filling in here: the next look will do.
  const used = live.contains(document.activeElement) || live.querySelector("details[open]");
  if (used || String(document.getSelection())) event.detail.shouldSwap = false;
});

const viewer = document.querySelector(".viewer[data-preview]");
if (viewer) {
  const picture = viewer.querySelector("img");
  const shown = viewer.querySelector(".shown");
  const count = Number(viewer.dataset.count);
  const fields = Object.fromEntries(
    ["slice", "centre", "width"].map((name) => [name, document.getElementById(name)]));
  let at = Number(viewer.dataset.slice);
  let busy = false, again = false;
  let windowed = new URLSearchParams(location.search).has("centre");

  const load = () => {
    if (busy) { again = true; return; }
    busy = true;
    const query = new URLSearchParams({ slice: at });
    if (windowed) {
      query.set("centre", fields.centre.value);
      query.set("width", fields.width.value);
    }
    const next = new Image();
    const done = (good) => {
      if (good) picture.src = next.src;
      busy = false;
      if (again) { again = false; load(); }
    };
    next.onload = () => done(true);
    next.onerror = () => done(false);
    next.src = `${viewer.dataset.preview}?${query}`;
    shown.textContent = String(at);
    fields.slice.value = at;
    picture.alt = picture.alt.replace(/slice \d+/, `slice ${at}`);
  };
  const step = (by) => {
    const to = Math.min(count, Math.max(1, at + by));
    if (to !== at) { at = to; load(); }
  };

  viewer.querySelector(".scripted").hidden = false;
  picture.addEventListener("wheel", (event) => { event.preventDefault(); step(Math.sign(event.deltaY)); }, { passive: false });
  picture.addEventListener("keydown", (event) => {
    const by = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (by) { event.preventDefault(); step(by); }
  });
  for (const name of ["slice", "centre", "width"]) {
    if (!fields[name]) continue;
    fields[name].addEventListener("input", () => {
      if (name === "slice") { const to = Number(fields.slice.value); if (Number.isInteger(to) && to >= 1 && to <= count) { at = to; load(); } }
      else if (fields.centre.value && Number(fields.width.value) > 1) { windowed = true; load(); }
    });
  }
  let from = null;
  picture.addEventListener("pointerdown", (event) => {
    if (!fields.centre) return;
    event.preventDefault();
    picture.focus();
    from = { x: event.clientX, y: event.clientY, centre: Number(fields.centre.value || viewer.dataset.centre), width: Number(fields.width.value || viewer.dataset.width) };
    picture.setPointerCapture(event.pointerId);
  });
  picture.addEventListener("pointermove", (event) => {
    if (!from) return;
    const scale = Math.max(1, from.width / 256);
    fields.width.value = Math.max(2, Math.round(from.width + (event.clientX - from.x) * scale));
    fields.centre.value = Math.round(from.centre + (event.clientY - from.y) * scale);
    windowed = true;
    load();
  });
  for (const name of ["pointerup", "pointercancel"]) picture.addEventListener(name, () => { from = null; });
}
