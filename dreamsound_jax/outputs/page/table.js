"use strict";

// The table of clips.

const hasFailed = ([clip]) => clip.error !== null;
let current = null; // the place in `rows` of the clip in the player

// Cells. DataTables takes texts for HTML, so it is given elements and escaped texts only.

/** Makes an element. Texts in `content` never become markup. */
function make(tag, properties, ...content) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...content);
  return element;
}

function clipCell({ name, address, hasPicture, hasVideo, error }) {
  const text = make("div", { className: "text" }, name);
  const cell = make("div", { className: "clip" }, text);
  if (error !== null) {
    text.append(make("div", { className: "reason" }, `failed: ${error}`));
    return cell;
  }
  const kinds = ["wav", ...(hasVideo ? ["mp4"] : []), "json", "npz"];
  const links = kinds.map((kind) => make("a", { href: `${address}.${kind}` }, kind));
  text.append(make("div", { className: "files" }, ...links));
  if (hasPicture) {
    const picture = make("img", { loading: "lazy", src: `${address}.png`, alt: `Picture of ${name}` });
    cell.prepend(make("a", { className: "picture", href: picture.src }, picture));
  }
  cell.prepend(make("button", { type: "button", className: "round play", title: `Play ${name}` }));
  return cell;
}

function textOf(value) {
  const isFraction = typeof value === "number" && !Number.isInteger(value);
  return String(isFraction ? Number(value.toPrecision(5)) : (value ?? ""));
}

function render(value, type) {
  if (type === "display") return make("div", { className: "text" }, textOf(value));
  return type === "filter" ? DataTable.util.escapeHtml(textOf(value)) : value;
}

function renderClip(clip, type, row) {
  if (type === "display") return clipCell(clip);
  const reason = type === "filter" && hasFailed(row) ? ` failed: ${clip.error}` : "";
  return render(clip.name + reason, type);
}

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

const isLong = rows.length > 20;
const onlyFailed = document.getElementById("only-failed");
onlyFailed.hidden = !rows.some(hasFailed);

const table = new DataTable("#table", {
  data: rows,
  columns: columns.map(({ isNumeric }, at) => ({
    type: "value",
    className: isNumeric ? "dt-type-numeric" : "",
    render: at === 0 ? renderClip : render,
  })),
  createdRow: (element, row) => element.classList.toggle("failed", hasFailed(row)),
  paging: isLong,
  pageLength: 50,
  lengthMenu: [20, 50, 200],
  layout: {
    topStart: ["info", onlyFailed],
    bottomStart: isLong ? "pageLength" : null,
    bottomEnd: isLong ? "paging" : null,
  },
});

// Filters: texts by a part of them, numbers by conditions such as "0.1" or ">=0.1 <1".

function matches(value, text, wanted, isNumeric) {
  if (wanted.trim() === "") return true;
  if (!isNumeric) return text.toLowerCase().includes(wanted.toLowerCase());
  const conditions = [...wanted.matchAll(/(<=|>=|<|>|=)?\s*([^\s<>=]+)/g)];
  return value !== null && conditions.every(([, sign = "=", number]) =>
    (sign.includes("=") && (value === Number(number) || Number(text) === Number(number)))
    || (sign.includes("<") && value < Number(number))
    || (sign.includes(">") && value > Number(number)));
}

document.querySelectorAll("thead input").forEach((input, at) => {
  const test = (text, row) => matches(row[at], text, input.value, columns[at].isNumeric);
  table.column(at).search.fixed("filter", test);
  input.addEventListener("input", () => table.draw());
});
table.search.fixed("failed", (_, row) => hasFailed(row) || !onlyFailed.control.checked);
onlyFailed.addEventListener("change", () => table.draw());

// Only the sounds of the clip that is asked for are loaded.

function play(place) {
  if (current !== null) table.row(current).node().classList.remove("current");
  current = place;
  table.row(place).node().classList.add("current");
  table.row(place).node().scrollIntoView({ block: "nearest" });
  document.querySelector("footer").hidden = false;
  load(rows[place][0]);
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

table.on("click", "button.play", (event) => {
  const place = table.row(event.target.closest("tr")).index();
  if (place !== current) play(place);
  else playOrPause();
});
document.getElementById("next").addEventListener("click", () => step(1));
document.getElementById("previous").addEventListener("click", () => step(-1));
Object.assign(KEYS, { j: () => step(1), k: () => step(-1) });
document.getElementById("step-keys").hidden = false;
