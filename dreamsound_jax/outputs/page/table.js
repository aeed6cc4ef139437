"use strict";

// The table of clips.

const boxes = [...document.querySelectorAll("thead input")]; // a filter for each column
let current = null; // the place in `rows` of the clip in the player
const noted = new Set(); // the places of clips whose notes the table does not search in yet

// Sorting: numbers as numbers, texts in natural order (take 9 before take 10), empty cells last.

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  const areNumbers = typeof a === "number" && typeof b === "number";
  return sign * (areNumbers ? a - b : collator.compare(String(a), String(b)));
}

DataTable.type("value", "order", {
  asc: (a, b) => compare(a, b, 1),
  desc: (a, b) => compare(a, b, -1),
});

// Its other options are attributes in table.html.

const isLong = rows.length > 20 && !isPreview;
const onlyFailed = document.getElementById("only-failed");
onlyFailed.hidden = !rows.some(hasFailed);
const inputs = columns.findIndex(({ name }) => name === "input");

const table = new DataTable("#table", {
  data: rows,
  columns: columns.map(({ name, isNumeric, isHidden }, at) => ({
    type: "value",
    visible: !isHidden,
    className: `${isNumeric ? "dt-type-numeric" : ""} ${at === 0 ? "first" : ""}`,
    render: at === 0 ? renderClip : name === "command_for_the_whole_input" ? renderCommand : render,
    createdCell: (cell, value) => {
      cell.dataset.label = name.replaceAll("_", " ");
      cell.classList.toggle("empty", value === null);
    },
  })),
  orderFixed: isPreview && inputs >= 0 ? { pre: [[inputs, "asc"]] } : null,
  createdRow: (element, row, at) => {
    element.classList.toggle("failed", hasFailed(row));
    element.classList.toggle("current", at === current);
  },
  drawCallback: isPreview ? groupByInput : null,
  paging: isLong,
  pageLength: 50,
  lengthMenu: [20, 50, 200],
  layout: {
    topStart: ["info", document.getElementById("tools")],
    bottomStart: isLong ? "pageLength" : null,
    bottomEnd: isLong ? "paging" : null,
  },
});

/** Writes the name of an input above its clips. */
function groupByInput() {
  let last = null;
  for (const row of document.querySelectorAll("#table tbody tr:not(.group)")) {
    const clip = this.api().row(row).data()?.[0];
    if (!clip || clip.group === last) continue;
    last = clip.group;
    row.before(make("tr", { className: "group" }, make("th", { colSpan: 99 }, last)));
  }
}

// Columns that are the same in all rows, or of little interest in a preview, are hidden at first.

const allButton = document.getElementById("all");
const hiddenColumns = columns.flatMap(({ isHidden }, at) => (isHidden ? [at] : []));
let showsAll = false;

function showAll(isAll) {
  showsAll = isAll;
  table.columns(hiddenColumns).visible(isAll);
  allButton.ariaPressed = isAll;
  const count = hiddenColumns.length;
  allButton.textContent = isAll ? "show fewer columns" : `show all columns (${count} more)`;
  allButton.hidden = count === 0;
}

showAll(false);
allButton.addEventListener("click", () => showAll(!showsAll));

// Only the sounds of the clip that is asked for are loaded.

function choose(place) {
  if (current !== null) table.row(current).node()?.classList.remove("current");
  current = place;
  table.row(place).node()?.classList.add("current");
  document.querySelector("footer").hidden = false;
  load(rows[place][0]);
}

function play(place) {
  choose(place);
  table.row(place).node().scrollIntoView({ block: "nearest" });
  start(audio);
}

/** Plays the next (1) or the previous (-1) clip in the order that the table shows. */
function step(direction) {
  const shown = table.rows({ search: "applied" }).indexes().toArray();
  const playable = shown.filter((place) => !hasFailed(rows[place]));
  const place = playable[playable.indexOf(current) + direction];
  if (place === undefined) return;
  if (isLong) table.page(Math.floor(shown.indexOf(place) / table.page.len())).draw("page");
  play(place);
}

// Stars, notes and commands.

const copyStarred = document.getElementById("copy-starred");

function star(place) {
  const [clip] = rows[place];
  toggleStar(clip);
  const isStarred = hasStar([clip]);
  table.row(place).node().querySelector(".star").ariaPressed = isStarred;
  countStars();
  if (document.querySelector("#only-starred input").checked) table.draw(false);
}

function countStars() {
  const count = rows.filter(hasStar).length;
  copyStarred.hidden = count === 0;
  copyStarred.textContent = `copy starred (${count})`;
}

countStars();
copyStarred.addEventListener("click", () => copy(listStarred(), "the starred clips and their commands"));

const placeOf = (event) => table.row(event.target.closest("tr")).index();

table.on("click", "button.play", (event) => {
  const place = placeOf(event);
  if (place !== current) play(place);
  else playOrPause();
});
table.on("click", "button.star", (event) => star(placeOf(event)));
table.on("click", "button.copy", (event) => {
  const { name, command } = rows[placeOf(event)][0];
  copy(command, isPreview ? "the command for the whole input" : `the command of ${name}`);
});
table.on("input", "input.note", (event) => {
  writeNote(rows[placeOf(event)][0], event.target.value);
  noted.add(placeOf(event));
});

/** Makes the table search in notes as they are now; the cells of their rows are made again. */
function readNotes() {
  for (const place of noted) table.row(place).invalidate();
  noted.clear();
}

document.addEventListener("focusin", ({ target }) => target.type === "search" && readNotes());
document.getElementById("next").addEventListener("click", () => step(1));
document.getElementById("previous").addEventListener("click", () => step(-1));
Object.assign(KEYS, {
  j: () => step(1),
  k: () => step(-1),
  s: () => current !== null && star(current),
  n: () => current !== null && table.row(current).node()?.querySelector(".note").focus(),
});
document.getElementById("step-keys").hidden = false;

// What is said above the table.

const failures = rows.filter(hasFailed).length;
if (failures > 0) {
  say("failed", failures === 1 ? "A clip failed; its row says why." : `${failures} clips failed; their rows say why.`);
}
if (missing > 0) {
  const clips = missing === 1 ? "A clip is" : `${missing} clips are`;
  say("missing", `${clips} not dreamed yet. While the run goes on, reload this page to see more.`);
}

// On a small screen the heads and filters of the columns are below a button.

const headsButton = document.getElementById("heads");
headsButton.addEventListener("click", () => {
  headsButton.ariaExpanded = document.body.classList.toggle("heads");
});
