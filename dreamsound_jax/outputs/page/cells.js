"use strict";

// The cells of the table of clips. DataTables takes texts for HTML, so it is given elements and
// escaped texts only.

const hasFailed = ([clip]) => clip.error !== null;

function clipCell(clip) {
  const { name, error } = clip;
  const text = make("div", { className: "text" }, name);
  const cell = make("div", { className: "clip" }, starOf(clip), text);
  if (error !== null) text.append(make("div", { className: "reason" }, `failed: ${error}`));
  text.append(linksOf(clip), noteOf(clip));
  if (error !== null) return cell;
  if (clip.thumbnail) text.before(pictureOf(clip));
  text.before(make("button", { type: "button", className: "round play", title: `Play ${name}` }));
  return cell;
}

function starOf(clip) {
  const star = make("button", { type: "button", className: "star", title: `Star ${clip.name}` });
  star.ariaPressed = hasStar([clip]);
  return star;
}

function pictureOf({ name, address, picture, thumbnail }) {
  const image = make("img", { loading: "lazy", src: address + thumbnail, alt: `Picture of ${name}` });
  return make("a", { className: "picture", href: address + picture }, watch(image));
}

function linksOf({ name, address, sounds, video, error, command }) {
  const links = make("div", { className: "files" });
  const suffixes = [sounds.dream, ...(video ? [video] : []), ".json", ".npz"];
  for (const suffix of error === null ? suffixes : []) {
    links.append(make("a", { href: address + suffix }, suffix.slice(1)));
  }
  if (command) {
    const title = `Copy the command that makes ${isPreview ? "all of the input" : name} like this`;
    links.append(make("button", { type: "button", className: "copy", title }, "copy command"));
  }
  return links;
}

function noteOf(clip) {
  const value = textOfNote(clip);
  const label = `Note on ${clip.name}`;
  return make("input", { type: "text", className: "note", placeholder: "note", value, ariaLabel: label });
}

function textOf(value) {
  const isFraction = typeof value === "number" && !Number.isInteger(value);
  return String(isFraction ? Number(value.toPrecision(5)) : (value ?? ""));
}

function render(value, type) {
  if (type === "display") return make("div", { className: "text" }, textOf(value));
  return type === "filter" ? DataTable.util.escapeHtml(textOf(value)) : value;
}

/** A command breaks into lines between its words, not at their hyphens. */
function renderCommand(command, type) {
  if (type !== "display") return render(command, type);
  const words = textOf(command).split(" ").map((word) => make("span", { className: "word" }, word));
  return make("div", { className: "text" }, ...words.flatMap((word) => [word, " "]));
}

function renderClip(clip, type, row) {
  if (type === "display") return clipCell(clip);
  if (type !== "filter") return render(clip.name, type);
  const reason = hasFailed(row) ? ` failed: ${clip.error}` : "";
  return render(`${clip.name}${reason} ${textOfNote(clip)}`, type);
}
