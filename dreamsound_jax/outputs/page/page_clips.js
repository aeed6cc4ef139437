// The clips: which of them are shown, in which order, and what is written of each.

// Texts in natural order: take 9 before take 10.
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const view = { sort: "", down: false, filter: "", failed: false };
const { clips, columns, failure } = readClips();
let ordered = clips; // all clips, as they are sorted
let shown = clips; // those of them that match

function readClips() {
  const known = JSON.parse(document.getElementById("clips").textContent);
  const clips = known.clips.map(([name, file, picture, error, ...values]) => ({
    name,
    file,
    error,
    picture: picture && error === null,
    values: [name, ...values, error], // one for each column, and the reason
  }));
  const columns = ["name", ...known.columns].map((name, at) => describeColumn(name, at, clips));
  const failure = describeColumn("error", columns.length, clips); // filters know it; none shows it
  return { clips, columns, failure };
}

/** What is the same for all values of a column: their decimals, and how wide they are. */
function describeColumn(name, at, clips) {
  const values = clips.map((clip) => clip.values[at]).filter((value) => value !== null);
  const numeric = values.length > 0 && values.every((value) => typeof value === "number");
  const column = { name, at, numeric, decimals: numeric ? decimalsOf(values) : 0 };
  column.longest = values.reduce((most, value) => Math.max(most, textOf(value, column).length), 1);
  return column;
}

/** As many decimals as the values have; but the largest gets four digits, no more. */
function decimalsOf(values) {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const enough = Math.min(Math.max(4 - Math.ceil(Math.log10(largest || 1)), 0), 8);
  let most = 0;
  for (const value of values) {
    if (most >= enough) return enough;
    if (!Number.isInteger(value)) most = Math.max(most, decimalsIn(value));
  }
  return Math.min(most, enough);
}

function decimalsIn(value) {
  const [digits, exponent = 0] = String(value).split("e");
  return Math.max((digits.split(".")[1] ?? "").length - Number(exponent), 0);
}

/** A value as it is shown; nothing for null. */
function textOf(value, column) {
  if (value === null) return "";
  if (typeof value !== "number" || column.decimals === 0) return String(value);
  const fixed = value.toFixed(column.decimals);
  return value !== 0 && Number(fixed) === 0 ? value.toPrecision(2) : fixed;
}

// Sorting.

function sortClips() {
  const column = columns.find(({ name }) => name === view.sort);
  ordered = column ? [...clips].sort(byColumn(column, view.down ? -1 : 1)) : clips;
}

/** What has no value comes last, both ways. */
function byColumn({ at }, sign) {
  return (one, other) => {
    const [a, b] = [one.values[at], other.values[at]];
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * compare(a, b);
  };
}

/** Numbers as numbers, texts as texts; where both are in one column, numbers come first. */
function compare(a, b) {
  const [textA, textB] = [typeof a === "string", typeof b === "string"];
  if (textA && textB) return collator.compare(a, b);
  return textA || textB ? textA - textB : a - b;
}

// Filtering.

function filterClips() {
  const tests = wordsIn(view.filter).map(testOf);
  if (view.failed) tests.push((clip) => clip.error !== null);
  shown = tests.length ? ordered.filter((clip) => tests.every((test) => test(clip))) : ordered;
}

/** Words between spaces; quotes hold words together. */
function wordsIn(text) {
  return text.match(/(?:"[^"]*"?|[^\s"])+/g) ?? [];
}

/** A word alone may be anywhere in the row; `column>=3` looks in one column. */
function testOf(word) {
  const plain = word.replaceAll('"', "").toLowerCase();
  const parts = word.startsWith('"') ? null : plain.match(/^([^<>=!:]+)(<=|>=|!=|[<>=:])(.*)$/s);
  const column = parts && columnCalled(parts[1]);
  return column ? columnTest(column, parts[2], parts[3]) : (clip) => wordsOf(clip).includes(plain);
}

function columnCalled(wanted) {
  return [...columns, failure].find(({ name }) => name.toLowerCase() === wanted);
}

/** All that is shown of a clip, in lower case; made when it is first asked for. */
function wordsOf(clip) {
  clip.words ??= [...columns, failure]
    .map((column) => textOf(clip.values[column.at], column))
    .join("\n")
    .toLowerCase();
  return clip.words;
}

function columnTest(column, sign, wanted) {
  const test = sign in COMPARISONS ? numberTest(sign, wanted) : TEXT_TESTS[sign](wanted);
  return (clip) => {
    const value = clip.values[column.at];
    return test(textOf(value, column).toLowerCase(), value);
  };
}

const COMPARISONS = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};

function numberTest(sign, wanted) {
  if (wanted === "") return () => true; // still being typed
  return (_, value) => typeof value === "number" && COMPARISONS[sign](value, Number(wanted));
}

const TEXT_TESTS = {
  ":": (wanted) => (text) => text.includes(wanted),
  "=": equals,
  "!=": (wanted) => (text, value) => !equals(wanted)(text, value),
};

/** As it is shown, or as the number that it is. */
function equals(wanted) {
  const number = wanted.trim() === "" ? NaN : Number(wanted);
  return (text, value) => text === wanted || value === number;
}

/** Examples of what can be typed, of columns and values that this page has. */
function filterExamples() {
  const number = columns.find((column) => column.numeric && !constant(column) && column.decimals);
  const choice = columns.findLast((column) => !column.numeric && column.at && !constant(column));
  return [
    number && `${number.name}>=${exampleOf(number)}`,
    choice && `${choice.name}=${exampleOf(choice)}`,
    `name:${exampleOf(columns[0]).match(/[a-z]{3,}/i)?.[0] ?? "noise"}`,
  ].filter(Boolean);
}

function constant({ at }) {
  const values = clips.map((clip) => clip.values[at]).filter((value) => value !== null);
  return values.every((value) => value === values[0]);
}

function exampleOf(column) {
  const values = clips.map((clip) => clip.values[column.at]).filter((value) => value !== null);
  const text = textOf(values[Math.floor(values.length / 2)] ?? null, column);
  return /\s/.test(text) ? `"${text}"` : text;
}

// The address of the page says what is shown, so that a view can be kept.

function readAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  view.sort = said.get("sort") ?? "";
  view.down = said.has("down");
  view.filter = said.get("filter") ?? "";
  view.failed = said.has("failed");
}

function writeAddress() {
  const said = new URLSearchParams();
  if (view.sort) said.set("sort", view.sort);
  if (view.down) said.set("down", "1");
  if (view.filter) said.set("filter", view.filter);
  if (view.failed) said.set("failed", "1");
  history.replaceState(null, "", `#${said}`);
}
