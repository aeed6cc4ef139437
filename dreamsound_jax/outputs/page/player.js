"use strict";

// The player. Each sound of a clip has an element of its own. All of them play together and only one
// is heard, so that there is no gap when another one is chosen.

const CLOSE_ENOUGH = 0.01; // seconds between two sounds
const INAUDIBLE = 1e-6;
const elements = new Map([...document.querySelectorAll("audio")].map((e) => [e.dataset.suffix, e]));
const switcher = document.getElementById("switch");
const caption = document.getElementById("caption");
let audio = elements.get(".wav"); // the one that is heard
let loaded = null; // the clip in the player

const choiceOf = (suffix) => switcher.querySelector(`[value="${suffix}"]`);
const silent = () => loaded.sounds.map((each) => elements.get(each)).filter((e) => e !== audio);

/** Loads the sounds of a clip; that of the dream is chosen. */
function load(clip) {
  loaded = clip;
  caption.textContent = clip.name;
  for (const [suffix, element] of elements) {
    if (clip.sounds.includes(suffix)) element.src = clip.address + suffix;
    else element.removeAttribute("src");
    element.load();
  }
  caption.classList.remove("bad");
  switcher.hidden = clip.sounds.length === 1;
  for (const label of switcher.querySelectorAll("label")) {
    label.hidden = label.control.disabled = !clip.sounds.includes(label.control.value);
  }
  for (const key of document.querySelectorAll("#keys [data-needs]")) {
    key.hidden = !clip.sounds.includes(key.dataset.needs);
  }
  document.getElementById("no-difference").hidden = clip.sounds.length !== 2;
  hear(".wav");
}

/** Chooses which sound of the clip is heard, at the same place in time. */
function hear(suffix) {
  const choice = choiceOf(suffix);
  if (choice.disabled) return;
  choice.checked = true;
  const last = audio;
  audio = elements.get(suffix);
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
  document.body.classList.toggle("sounding", !audio.paused);
  const most = type === "timeupdate" ? 0.3 : CLOSE_ENOUGH;
  for (const element of silent()) if (!element.seeking) bringTogether(element, audio, most);
}

function report({ target }) {
  choiceOf(target.dataset.suffix).disabled = true;
  caption.textContent = `${loaded.name}${target.dataset.suffix} cannot be played.`;
  caption.classList.add("bad");
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
  1: () => hear(".input.wav"),
  2: () => hear(".wav"),
  3: () => hear(".difference.wav"),
  b: () => hear(audio === elements.get(".input.wav") ? ".wav" : ".input.wav"),
  r: () => document.querySelector("#repeat input").click(),
};

document.addEventListener("keydown", (event) => {
  const { key, target, ctrlKey, metaKey, altKey } = event;
  if (target.closest("input[type=search], select") || ctrlKey || metaKey || altKey) return;
  if (key === " " && loaded && !target.closest("a, audio, button, [type=checkbox]")) {
    event.preventDefault(); // The page does not scroll.
    playOrPause();
  }
  KEYS[key]?.();
});
