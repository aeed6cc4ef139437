"use strict";

// What a person adds to the page, and where that person was, is kept in the browser. Pages that are
// opened as files share one storage, so the key names the run.

const KEY = `dreamsound ${run}`;

/** Returns {stars: {name: true}, notes: {name: text}, place}. */
function recall() {
  let kept = null;
  try {
    kept = JSON.parse(localStorage.getItem(KEY));
  } catch {} // What cannot be read is as if it were not there.
  return { stars: {}, notes: {}, place: {}, ...(typeof kept === "object" ? kept : {}) };
}

/** Changes what is kept; another window may have changed it since it was read last. */
function remember(change) {
  const kept = recall();
  change(kept);
  try {
    localStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    say("memory", "This browser does not keep stars and notes of this page.");
  }
  return kept;
}

let { stars, notes } = recall();
const hasStar = ([clip]) => Object.hasOwn(stars, clip.name);

const textOfNote = ({ name }) => (Object.hasOwn(notes, name) ? notes[name] : "");

function toggleStar(clip) {
  ({ stars } = remember((kept) => {
    if (Object.hasOwn(stars, clip.name)) delete kept.stars[clip.name];
    else kept.stars[clip.name] = true;
  }));
}

function writeNote(clip, text) {
  ({ notes } = remember((kept) => {
    if (text.trim() === "") delete kept.notes[clip.name];
    else kept.notes[clip.name] = text;
  }));
}

/** Returns the starred clips as lines for a shell: the commands, each below its name and note. */
function listStarred() {
  return rows.filter(hasStar).map(([clip]) => {
    const { name, command } = clip;
    const note = textOfNote(clip);
    return [`# ${name}${note && ": "}${note}`.replace(/\p{C}|[\u2028\u2029]/gu, " "), ...(command ? [command] : [])].join("\n");
  }).join("\n");
}
