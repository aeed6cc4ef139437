"use strict";

// Filters of columns: texts by a part of them, numbers by conditions such as "0.1" or ">=0.1 <1".
// They are in the address, too, such as #layers=relu3_4&lr=>0.1&search=amen&only=starred.

const CONDITIONS = /(<=|>=|<|>|=)?\s*([^\s<>=]+)/g;
const searchBox = document.querySelector(".dt-search input");
const only = { starred: document.getElementById("only-starred"), failed: onlyFailed };

function matches(value, text, wanted, isNumeric) {
  if (wanted.trim() === "") return true;
  if (!isNumeric) return text.toLowerCase().includes(wanted.toLowerCase());
  const conditions = [...wanted.matchAll(CONDITIONS)];
  return value !== null && conditions.every(([, sign = "=", number]) =>
    (sign.includes("=") && (value === Number(number) || Number(text) === Number(number)))
    || (sign.includes("<") && value < Number(number))
    || (sign.includes(">") && value > Number(number)));
}

boxes.forEach((box, at) => {
  const test = (text, row) => matches(row[at], text, box.value, columns[at].isNumeric);
  table.column(at).search.fixed("filter", test);
  box.addEventListener("input", filter);
});
table.search.fixed("failed", (_, row) => hasFailed(row) || !only.failed.control.checked);
table.search.fixed("starred", (_, row) => hasStar(row) || !only.starred.control.checked);
for (const label of Object.values(only)) label.addEventListener("change", filter);
searchBox.addEventListener("input", writeAddress);

function filter() {
  table.draw();
  say("unknown", "");
  checkNumbers();
  writeAddress();
}

/** Says which filter of a column of numbers is no condition. */
function checkNumbers() {
  const wrong = boxes.filter((box, at) => {
    const numbers = [...box.value.matchAll(CONDITIONS)].map(([, , number]) => Number(number));
    const isWrong = columns[at].isNumeric && numbers.some(Number.isNaN);
    box.setAttribute("aria-invalid", isWrong);
    return isWrong;
  });
  const named = wrong.map((box) => `“${box.value}” for ${columns[boxes.indexOf(box)].name}`);
  say("numbers", wrong.length === 0 ? "" : `A filter of numbers must be conditions such as 0.1, `
    + `>=0.1 or >0.1 <1, and is ${named.join(", and ")}.`);
}

function listFilters() {
  const filters = boxes.map((box, at) => [columns[at].name, box.value]);
  filters.push(["search", searchBox.value]);
  for (const [name, label] of Object.entries(only)) {
    filters.push(["only", label.control.checked ? name : ""]);
  }
  return filters.filter(([, value]) => value !== "");
}

function writeAddress() {
  const filters = listFilters();
  const address = filters.map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
  history.replaceState(null, "", address ? `#${address}` : location.href.split("#")[0]);
  document.getElementById("clear").hidden = filters.length === 0;
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // A percent sign that was typed.
  }
}

/** Returns the place of a column by its name, or by the beginning of one name only; -1 if none. */
function findColumn(name) {
  const names = columns.map((column) => column.name.toLowerCase());
  const given = name.toLowerCase().replaceAll(" ", "_");
  const wanted = names.includes(given) ? given : (otherNames[given] ?? given);
  if (names.includes(wanted)) return names.indexOf(wanted);
  const begun = names.filter((each) => wanted !== "" && each.startsWith(wanted));
  return begun.length === 1 ? names.indexOf(begun[0]) : -1;
}

/** Filters by what an address says behind its #, and says which of its columns do not exist. */
function applyAddress(address) {
  readNotes();
  const unknown = [];
  for (const box of boxes) box.value = "";
  for (const label of Object.values(only)) label.control.checked = false;
  let search = "";
  for (const part of address.split("&").filter(Boolean)) {
    const [name, ...values] = part.split("=");
    const key = decode(name);
    const value = decode(values.join("="));
    const at = findColumn(key);
    if (at >= 0) boxes[at].value = value;
    else if (key === "search") search = value;
    else if (key === "only" && Object.hasOwn(only, value)) only[value].control.checked = true;
    else unknown.push(`“${key}”`);
    if (at >= 0 && columns[at].isHidden) showAll(true);
  }
  table.search(search);
  filter();
  const known = columns.map(({ name }) => name).join(", ");
  if (unknown.length > 0) {
    say("unknown", `This run has no column ${unknown.join(" and no column ")} to filter by; it has ${known}.`);
  }
}

document.getElementById("clear").addEventListener("click", () => applyAddress(""));
window.addEventListener("hashchange", () => applyAddress(location.hash.slice(1)));
