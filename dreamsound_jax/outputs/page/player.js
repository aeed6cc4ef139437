"use strict";

// The player. A sound is the input, the dream or the difference of a clip. Each sound of a clip has an element of its own. All of them play together and only one
// is heard, so that there is no gap when another one is chosen.

const CLOSE_ENOUGH = 0.01; // seconds between two sounds
const INAUDIBLE = 1e-6;
const elements = new Map([...document.querySelectorAll("audio")].map((e) => [e.dataset.kind, e]));
const switcher = document.getElementById("switch");
const caption = document.getElementById("caption");
const roundList = document.getElementById("rounds");
let audio = elements.get("dream"); // the one that is heard
let loaded = null; // the clip in the player

const choiceOf = (kind) => switcher.querySelector(`[value="${kind}"]`);
const kindsOf = (clip) => Object.keys(clip.sounds);
const silent = () => kindsOf(loaded).map((each) => elements.get(each)).filter((e) => e !== audio);

/** Loads the sounds of a clip; that of the dream is chosen. */
function load(clip) {
  loaded = clip;
  caption.textContent = clip.name;
  for (const [kind, element] of elements) {
    if (kind in clip.sounds) element.src = clip.address + clip.sounds[kind];
    else element.removeAttribute("src");
    element.load();
  }
  caption.classList.remove("bad");
  switcher.hidden = kindsOf(clip).length === 1;
  for (const label of switcher.querySelectorAll("label")) {
    label.hidden = label.control.disabled = !(label.control.value in clip.sounds);
  }
  for (const key of document.querySelectorAll("#keys [data-needs]")) {
    key.hidden = !(key.dataset.needs === "rounds" ? clip.rounds : key.dataset.needs in clip.sounds);
  }
  document.getElementById("no-difference").hidden = kindsOf(clip).length !== 2;
  listRounds(clip.rounds);
  hear("dream");
}

/** Chooses which sound of the clip is heard, at the same place in time. */
function hear(kind) {
  const choice = choiceOf(kind);
  if (choice.disabled) return;
  choice.checked = true;
  const last = audio;
  audio = elements.get(kind);
  if (audio === last) return;
  bringTogether(audio, last, 0.03);
  const { muted, volume, playbackRate } = last;
  const hadFocus = document.activeElement === last;
  Object.assign(audio, { muted, volume, playbackRate, hidden: false });
  silence(last);
  if (hadFocus) audio.focus();
}

/** Makes a sound inaudible. Chromium plays sounds that are muted, or at 0, by another clock. */
function silence(element) {
  element.volume = INAUDIBLE;
  element.muted = element.volume > 0.5; // Where scripts may not set the volume.
  element.hidden = true;
}

/**
 * Brings a sound to the state and to the place of another: by a jump if it is further away than
 * `most` seconds, else by playing a little faster or slower, without a gap.
 */
function bringTogether(element, leader, most) {
  const behind = leader.currentTime - element.currentTime;
  const isFar = Math.abs(behind) > most;
  if (isFar) element.currentTime = leader.currentTime;
  const hurry = isFar || Math.abs(behind) < CLOSE_ENOUGH ? 0 : 3 * behind;
  element.playbackRate = leader.playbackRate * (1 + hurry);
  if (leader.paused) element.pause();
  else start(element);
}

function start(element) {
  element.play().catch(() => {}); // What cannot be played is reported by the event.
}

function playOrPause() {
  if (audio.paused) start(audio);
  else audio.pause();
}

function follow({ target, type }) {
  if (target !== audio) return;
  markRound();
  document.body.classList.toggle("sounding", !audio.paused);
  const most = type === "timeupdate" ? 0.3 : CLOSE_ENOUGH;
  for (const element of silent()) if (!element.seeking) bringTogether(element, audio, most);
}

function report({ target }) {
  const { kind } = target.dataset;
  choiceOf(kind).disabled = true;
  caption.textContent = `${loaded.name}${loaded.sounds[kind]} cannot be played.`;
  caption.classList.add("bad");
}

// An ouroboros begins with its input, and each of its rounds is as long.

const MOST_ROUNDS = 20; // Of more, every second or third has a button.

function listRounds(count) {
  roundList.hidden = !count;
  const numbers = [];
  const step = Math.ceil(count / MOST_ROUNDS);
  for (let number = 1; number <= count; number += step) numbers.push(number);
  roundList.replaceChildren(...(count ? [0, ...numbers] : []).map((number) => {
    const words = ["input", "round 1"][number] ?? String(number);
    return make("button", { type: "button", value: number, onclick: () => goToRound(number) }, words);
  }));
  markRound();
}

function goToRound(number) {
  if (audio.duration) audio.currentTime = (number / (loaded.rounds + 1)) * audio.duration;
}

/** Marks the button of the round that is heard. */
function markRound() {
  const now = Math.floor((audio.currentTime / audio.duration) * (loaded.rounds + 1) + 1e-3) || 0;
  const buttons = [...roundList.children];
  const heard = buttons.findLast((button) => Number(button.value) <= now);
  for (const button of buttons) button.setAttribute("aria-current", button === heard);
}

for (const element of elements.values()) {
  if (element !== audio) silence(element);
  for (const event of ["play", "pause", "seeking", "timeupdate"]) element.addEventListener(event, follow);
  element.addEventListener("error", report);
}
switcher.addEventListener("change", ({ target }) => hear(target.value));
document.getElementById("repeat").addEventListener("change", ({ target }) => {
  for (const element of elements.values()) element.loop = target.checked;
});

const KEYS = {
  1: () => (loaded?.rounds ? goToRound(0) : hear("input")),
  2: () => hear("dream"),
  3: () => hear("difference"),
  b: () => hear(audio === elements.get("input") ? "dream" : "input"),
  r: () => document.querySelector("#repeat input").click(),
};

document.addEventListener("keydown", (event) => {
  const { key, target, ctrlKey, metaKey, altKey } = event;
  if (ctrlKey || metaKey || altKey) return;
  if (target.closest("input:not([type=radio], [type=checkbox]), select")) {
    if (key === "Enter") target.blur(); // The keys are for the player again.
    return;
  }
  if (key === " " && loaded && !target.closest("a, audio, button, [type=checkbox]")) {
    event.preventDefault(); // The page does not scroll.
    playOrPause();
  }
  if (!event.defaultPrevented && KEYS[key]) {
    event.preventDefault(); // What is pressed to go to a note is not written there.
    KEYS[key]();
  }
});
