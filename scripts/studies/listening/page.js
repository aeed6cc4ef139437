"use strict";

// A listening test. A trial is a sound that is asked for; a sound that is heard again has two.

const data = JSON.parse(document.getElementById("data").textContent);
const KEY = `listening test ${data.test}`;
const KEYS = "1234567890";
const find = (selector) => document.querySelector(selector);
const [playButton, nextButton, hint, fieldset] = ["#play", "#next", "#hint", "fieldset"].map(find);
const player = new Audio();
let kept = true; // whether the browser keeps what is answered

// What is kept: who listens, by a random name, in which order, and what was answered.

function recall() {
  try {
    const state = JSON.parse(localStorage.getItem(KEY));
    if (state?.order.length === data.trials.length) return state;
  } catch {} // What cannot be read is as if it were not there.
  return { listener: drawName(), order: drawOrder(), answers: [], plays: 0 };
}

function remember() {
  try {
    localStorage.setItem(KEY, JSON.stringify(state));
  } catch {
    kept = false;
  }
  find("#lost").hidden = kept;
}

function drawName() {
  const bytes = crypto.getRandomValues(new Uint8Array(4));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Draws the order of the trials, with other sounds between the two times a sound is heard. */
function drawOrder() {
  const count = data.trials.length;
  const apart = Math.min(8, Math.floor(count / 3));
  let order;
  for (let attempt = 0; attempt < 1000; attempt++) {
    order = shuffle([...Array(count).keys()]);
    if (findNearest(order) >= apart) break;
  }
  return order;
}

function shuffle(items) {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [items[last], items[other]] = [items[other], items[last]];
  }
  return items;
}

/** Returns how far apart the nearest two trials of one sound are. */
function findNearest(order) {
  const last = new Map();
  let nearest = order.length;
  order.forEach((trial, place) => {
    const { sound } = data.trials[trial];
    if (last.has(sound)) nearest = Math.min(nearest, place - last.get(sound));
    last.set(sound, place);
  });
  return nearest;
}

// Sounds.

function addressOf(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type: "audio/wav" }));
}

/** Plays the sound of this trial from its beginning, and counts it. */
async function play() {
  player.currentTime = 0;
  try {
    await player.play();
  } catch (error) {
    if (error.name === "NotSupportedError") say("This sound cannot be played by this browser.", true);
    return; // A browser may wait for a click before it plays.
  }
  state.plays += 1;
  fieldset.disabled = false;
  playButton.classList.add("sounding");
  playButton.textContent = "Play again";
  say(chosen() ? "" : "Choose the answer that comes nearest.");
  remember();
}

function say(text, isBad = false) {
  hint.textContent = text;
  hint.classList.toggle("bad", isBad);
}

// The three views.

function show(name) {
  for (const section of document.querySelectorAll("section")) section.hidden = section.id !== name;
  window.scrollTo(0, 0);
}

function begin() {
  player.pause();
  ask();
  play();
}

/** Shows the next trial, or the end. */
function ask() {
  const place = state.answers.length;
  if (place === data.trials.length) return end();
  show("ask");
  const { sound } = data.trials[state.order[place]];
  URL.revokeObjectURL(player.src);
  player.src = addressOf(data.sounds[sound]);
  find("progress").max = data.trials.length;
  find("progress").value = place;
  find("#progress span").textContent = `Sound ${place + 1} of ${data.trials.length}`;
  for (const input of document.querySelectorAll("#choices input")) input.checked = false;
  fieldset.disabled = nextButton.disabled = true;
  playButton.textContent = "Play";
  say("Play the sound first.");
  playButton.focus();
}

const chosen = () => find("#choices input:checked")?.value;

function choose() {
  nextButton.disabled = false;
  say("");
}

/** Keeps the answer, and goes on; the next sound plays at once. */
function next() {
  if (nextButton.disabled) return;
  const { id } = data.trials[state.order[state.answers.length]];
  state.answers.push({ clip: id, choice: chosen(), plays: state.plays });
  state.plays = 0;
  remember();
  player.pause();
  ask();
  if (state.answers.length < data.trials.length) play();
}

function end() {
  show("end");
  const { listener, answers } = state;
  const { format, test } = data;
  const text = JSON.stringify({ format, test, listener, answers });
  const name = `answers-${listener}.json`;
  find("#send b").textContent = name;
  find("textarea").value = text;
  find("#save").onclick = () => save(name, text);
}

function save(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = name;
  link.click();
  find("#save").textContent = "Save again";
  find("#saved").hidden = false;
}

function copy() {
  find("textarea").select();
  document.execCommand("copy"); // It works in pages that are opened as files, too.
  find("#copy").textContent = "Copied";
}

function startAgain() {
  if (!confirm("Are the answers saved? Those of this listener are then forgotten here.")) return;
  try {
    localStorage.removeItem(KEY);
  } catch {}
  location.reload();
}

// What is made once.

const state = recall();

data.choices.forEach(({ name, label }, place) => {
  const [line, input, key] = ["label", "input", "kbd"].map((each) => document.createElement(each));
  Object.assign(input, { type: "radio", name: "choice", value: name, onchange: choose });
  key.textContent = KEYS[place];
  line.append(input, label, key);
  find("#choices").append(line);
  find("#answers").append(Object.assign(document.createElement("li"), { textContent: label }));
});
find("#last-key").textContent = KEYS[data.choices.length - 1];

playButton.onclick = play;
nextButton.onclick = next;
find("#begin").onclick = begin;
find("#copy").onclick = copy;
find("#again").onclick = startAgain;
find("#level").onclick = () => {
  player.src = addressOf(data.level);
  player.play();
};
player.onended = player.onpause = () => playButton.classList.remove("sounding");

document.addEventListener("keydown", (event) => {
  const { key, target, ctrlKey, metaKey, altKey, repeat } = event;
  if (find("#ask").hidden || ctrlKey || metaKey || altKey || repeat) return;
  const place = KEYS.indexOf(key);
  const input = document.querySelectorAll("#choices input")[place];
  if (input && !fieldset.disabled) input.click();
  const isFree = !target.closest("button, input:not(:checked)");
  if (key === " " && isFree) play();
  if (key === "Enter" && !nextButton.disabled) next();
  else if (!(key === " " && isFree)) return;
  event.preventDefault(); // The page does not scroll, and no button is pressed besides.
});

if (state.answers.length) find("#begin").textContent = `Go on with sound ${state.answers.length + 1}`;
if (state.answers.length === data.trials.length) end();
else show("start");
