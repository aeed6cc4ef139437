// The table: its head, and as many of its rows as are on the screen.

const at = (id) => document.getElementById(id);
const scroller = at("scroller");
const body = at("body");
const EXTRA = 4; // rows above and below the screen, for the eye and for the tab key
const rows = new Map(); // place among the shown clips -> its element
let current = null; // the clip that keys are about

/** An element with attributes and content; text is never taken for HTML. */
function make(tag, attributes, ...content) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...content);
  return element;
}

// The head.

function makeHead() {
  const heads = columns.map((column) => {
    const kind = column.numeric ? "number" : "text";
    const sort = make("button", { type: "button" }, ...breakable(column.name));
    sort.addEventListener("click", () => sortBy(column.name));
    return make("div", { role: "columnheader", class: kind, "data-column": column.name }, sort);
  });
  const [sound, picture, files] = ["sound", "picture", "files"].map(
    (name) => make("div", { role: "columnheader", class: name, "aria-label": name }));
  at("head").append(sound, picture, ...heads, files);
  at("sort").append(make("option", { value: "" }, "sort by …"),
    ...columns.map(({ name }) => make("option", { value: name }, name)));
  const widths = columns.map(widthOf);
  const tracks = widths.map((width) => `minmax(${width}ch, ${width}fr)`);
  at("table").style.setProperty("--columns", tracks.join(" "));
  at("table").style.setProperty("--width", `${widths.reduce((a, b) => a + b, 0)}ch`);
}

/** A text that may be broken after each underscore, slash and plus. */
function breakable(text) {
  const parts = text.match(/[^_/+]*[_/+]|[^_/+]+/g) ?? [];
  return parts.flatMap((part) => [part, make("wbr", {})]);
}

/** In digits: longer values are broken into lines. */
function widthOf({ name, longest }) {
  const head = Math.max(...name.split("_").map((part) => part.length)) + 2;
  return Math.min(Math.max(longest, head), 20) + 2;
}

function markSorting() {
  for (const head of at("head").querySelectorAll("[data-column]")) {
    if (head.dataset.column === view.sort) {
      head.setAttribute("aria-sort", view.down ? "descending" : "ascending");
    } else head.removeAttribute("aria-sort");
  }
  at("sort").value = view.sort;
  at("direction").textContent = view.down ? "↓" : "↑";
}

function sortBy(name) {
  view.down = view.sort === name && !view.down;
  view.sort = name;
  showView();
}

// What is shown.

/** Sorts, filters and draws. */
function showView({ remember = true } = {}) {
  sortClips();
  showFiltered({ remember });
  markSorting();
}

function showFiltered({ remember = true } = {}) {
  filterClips();
  const all = clips.length.toLocaleString("en");
  at("count").textContent = `${shown.length.toLocaleString("en")} of ${all} clips`;
  at("nothing").hidden = shown.length > 0;
  at("table").setAttribute("aria-rowcount", shown.length + 1);
  body.style.height = `${shown.length * rowHeight()}px`;
  scroller.scrollTop = 0;
  redraw();
  if (remember) later("address", writeAddress);
}

function restoreView() {
  readAddress();
  at("filter").value = view.filter;
  at("failed").checked = view.failed;
  showView({ remember: false });
}

const waiting = {};

/** Does something once, when it has not been asked for again for a moment. */
function later(name, what, milliseconds = 150) {
  clearTimeout(waiting[name]);
  waiting[name] = setTimeout(what, milliseconds);
}

// Rows.

function rowHeight() {
  return parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row"));
}

/** Draws all rows on the screen anew. */
function redraw() {
  for (const row of rows.values()) row.remove();
  rows.clear();
  draw();
}

/** Makes the rows that came onto the screen, and drops those that left it. */
function draw() {
  const height = rowHeight();
  const first = Math.max(Math.floor(scroller.scrollTop / height) - EXTRA, 0);
  const past = Math.ceil((scroller.scrollTop + scroller.clientHeight) / height) + EXTRA;
  const end = Math.min(past, shown.length);
  for (const [place, row] of rows) {
    if (place < first || place >= end) {
      row.remove();
      rows.delete(place);
    }
  }
  let next = null; // backwards, so that each row stands before the one that follows it
  for (let place = end - 1; place >= first; place--) {
    if (!rows.has(place)) rows.set(place, body.insertBefore(makeRow(place, height), next));
    next = rows.get(place);
  }
  later("pictures", loadPictures, 60);
}

/** Only once scrolling rests: what flies by is not read from the disk. */
function loadPictures() {
  for (const picture of body.querySelectorAll("img:not([src])")) {
    picture.src = picture.dataset.src;
  }
}

function makeRow(place, height) {
  const clip = shown[place];
  const values = columns.slice(1).map((column) => makeCell(clip, column));
  const row = make("div", { role: "row", "aria-rowindex": place + 2 }, makePlay(clip),
    makePicture(clip), makeName(clip), make("div", { class: "values" }, ...values));
  row.append(clip.error === null ? make("div", { role: "cell", class: "files" }, ...links(clip))
    : make("div", { role: "cell", class: "reason", title: clip.error }, clip.error));
  row.classList.toggle("failed", clip.error !== null);
  row.classList.toggle("odd", place % 2 === 1);
  row.style.top = `${place * height}px`;
  row.addEventListener("click", () => makeCurrent(clip, { scroll: false }));
  row.addEventListener("focusin", () => makeCurrent(clip, { scroll: false }));
  mark(row, clip);
  return row;
}

function makeCell(clip, column) {
  const text = textOf(clip.values[column.at], column);
  const kind = column.numeric ? "number" : "text";
  const cell = make("div", { role: "cell", class: kind, "data-column": column.name });
  cell.append(make("span", { title: text }, ...breakable(text || "–")));
  cell.classList.toggle("none", text === "");
  cell.classList.toggle("sorted", column.name === view.sort);
  return cell;
}

function makePlay(clip) {
  const cell = make("div", { role: "cell", class: "sound" });
  if (clip.error !== null) cell.append(make("span", { class: "cross", title: "failed" }, "failed"));
  else cell.append(makeButton("play", `Play ${clip.name}`, () => toggle(clip)));
  return cell;
}

function makePicture(clip) {
  const cell = make("div", { role: "cell", class: "picture" });
  if (!clip.picture) return cell;
  const picture = make("img", { "data-src": `${clip.file}.png`, alt: "", loading: "lazy",
    decoding: "async" });
  picture.addEventListener("error", () => picture.remove());
  const button = makeButton("thumbnail", `Picture of ${clip.name}`, () => openOverlay(clip));
  button.append(picture);
  cell.append(button);
  return cell;
}

function makeName(clip) {
  const button = makeButton("link", `Show ${clip.name}`, () => openOverlay(clip));
  button.append(...breakable(clip.name));
  return make("div", { role: "cell", class: "name" }, button);
}

function makeButton(kind, label, action) {
  const button = make("button", { type: "button", class: kind, "aria-label": label, title: label });
  button.addEventListener("click", action);
  return button;
}

function links(clip) {
  return ["wav", "json", "npz"].map((kind) => make("a", { href: `${clip.file}.${kind}` }, kind));
}

// The current row.

function mark(row, clip) {
  if (clip === current) row.setAttribute("aria-current", "true");
  else row.removeAttribute("aria-current");
  row.querySelector("button.play")?.classList.toggle("on", isPlaying(clip));
}

function markRows() {
  for (const [place, row] of rows) mark(row, shown[place]);
}

/** The focus follows, so that the space bar presses the button of this row. */
function makeCurrent(clip, { scroll = true } = {}) {
  if (clip === current) return;
  const focused = body.contains(document.activeElement);
  current = clip;
  const place = shown.indexOf(clip);
  if (scroll && place >= 0) scrollTo(place);
  markRows();
  if (scroll && focused) (rows.get(place)?.querySelector("button") ?? scroller).focus();
}

function scrollTo(place) {
  const height = rowHeight();
  const room = scroller.clientHeight - at("head").offsetHeight;
  const low = (place + 1) * height - room;
  if (place * height < scroller.scrollTop) scroller.scrollTop = place * height;
  else if (low > scroller.scrollTop) scroller.scrollTop = low;
  draw();
}
