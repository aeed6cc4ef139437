// The player, the overlay and the keys; then the page starts.

let audio = null; // one for all clips, made when the first is played
let loaded = null; // the clip that it holds
let open = null; // the clip in the overlay

// The player.

function thePlayer() {
  if (audio) return audio;
  audio = make("audio", { preload: "none", controls: "" });
  for (const event of ["play", "pause", "ended"]) audio.addEventListener(event, markPlaying);
  audio.addEventListener("ended", () => at("autoplay").checked && step(1, loaded, true));
  audio.addEventListener("error", () => tell(`cannot play ${loaded.name}.wav`));
  at("sound").append(audio);
  at("player").hidden = false;
  return audio;
}

function isPlaying(clip) {
  return clip === loaded && !audio.paused && !audio.ended;
}

function toggle(clip) {
  if (isPlaying(clip)) audio.pause();
  else play(clip);
}

function play(clip) {
  const player = thePlayer();
  makeCurrent(clip);
  tell("");
  if (clip !== loaded) {
    loaded = clip;
    player.src = `${clip.file}.wav`;
    at("playing").textContent = clip.name;
  }
  player.play().catch(() => {}); // what went wrong, the event "error" tells
  markPlaying();
}

function tell(trouble) {
  at("trouble").textContent = trouble;
}

function markPlaying() {
  markRows();
  markOverlay();
}

/** To the clip after or before; if one plays, that one does next, past those without sound. */
function step(by, from = current, sound = loaded !== null && isPlaying(loaded)) {
  const start = shown.indexOf(from);
  let place = start < 0 ? 0 : start + by;
  while (sound && shown[place]?.error != null) place += by;
  const clip = shown[place];
  if (!clip) return;
  if (sound) play(clip);
  else makeCurrent(clip);
  if (open) openOverlay(clip);
}

/** The space bar plays the current clip, or the first. */
function playCurrent() {
  const clip = current ?? shown[0];
  if (clip && clip.error === null) toggle(clip);
}

// The overlay.

function openOverlay(clip) {
  open = clip;
  makeCurrent(clip);
  at("shown-name").textContent = clip.name;
  at("shown-reason").textContent = clip.error === null ? "" : `Failed: ${clip.error}`;
  at("shown-files").replaceChildren(...(clip.error === null ? links(clip) : []));
  at("shown-play").hidden = clip.error !== null;
  at("shown-picture").replaceChildren(...(clip.picture ? [largePicture(clip)] : []));
  at("shown-values").replaceChildren(...columns.slice(1).map((column) => valueLine(clip, column)));
  markOverlay();
  if (at("overlay").open) return;
  at("overlay").showModal();
  at(clip.error === null ? "shown-play" : "close").focus();
}

function largePicture(clip) {
  at("shown-picture").href = `${clip.file}.png`;
  return make("img", { src: `${clip.file}.png`, alt: `Picture of ${clip.name}` });
}

/** With more digits than the table has room for. */
function valueLine(clip, column) {
  const value = clip.values[column.at];
  const fine = typeof value === "number" && !Number.isInteger(value);
  const text = fine ? Number(value.toPrecision(6)) : (value ?? "–");
  return make("div", {}, make("dt", {}, column.name), make("dd", {}, String(text)));
}

function markOverlay() {
  const on = open !== null && isPlaying(open);
  at("shown-play").classList.toggle("on", on);
  at("shown-play").setAttribute("aria-label", on ? "Pause" : "Play");
}

// Keys.

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  ArrowRight: () => open && step(1),
  ArrowLeft: () => open && step(-1),
  " ": playCurrent,
  Enter: () => current && openOverlay(current),
  "/": () => at("filter").focus(),
};

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
  if (hasOwnUse(event.target, event.key)) return;
  event.preventDefault();
  KEYS[event.key]();
}

/** Whether what has the focus has a use of its own for a key. */
function hasOwnUse(target, key) {
  if (target.closest("input[type=search], select")) return true;
  if (target.closest("audio") && (key === " " || key.startsWith("Arrow"))) return true;
  return (key === " " || key === "Enter") && target.closest("button, a, input, summary") !== null;
}

// The start.

function listen() {
  const on = (id, event, action) => at(id).addEventListener(event, action);
  on("tools", "submit", (event) => event.preventDefault());
  on("filter", "input", () => { view.filter = at("filter").value; showFiltered(); });
  on("failed", "change", () => { view.failed = at("failed").checked; showFiltered(); });
  on("sort", "change", () => { view.down = false; view.sort = at("sort").value; showView(); });
  on("direction", "click", () => { view.down = !view.down; showView(); });
  on("next", "click", () => step(1, loaded));
  on("previous", "click", () => step(-1, loaded));
  on("playing", "click", () => openOverlay(loaded));
  on("shown-next", "click", () => step(1));
  on("shown-previous", "click", () => step(-1));
  on("shown-play", "click", () => toggle(open));
  on("close", "click", () => at("overlay").close());
  on("overlay", "click", (event) => event.target === at("overlay") && at("overlay").close());
  on("overlay", "close", () => { open = null; });
  scroller.addEventListener("scroll", draw, { passive: true });
  new ResizeObserver(resized).observe(scroller);
  document.addEventListener("keydown", pressed);
  window.addEventListener("hashchange", restoreView);
}

/** Rows are as high as the width of the window has them. */
function resized() {
  const height = `${shown.length * rowHeight()}px`;
  if (body.style.height === height) return draw();
  body.style.height = height;
  redraw();
}

function start() {
  const failures = clips.filter((clip) => clip.error !== null).length;
  at("failures").textContent = failures.toLocaleString("en");
  at("only-failed").hidden = failures === 0;
  at("about").open = window.innerWidth > 760 && window.innerHeight > 600;
  const examples = filterExamples();
  at("filter").placeholder = `words, ${examples.join(", ")}`;
  at("examples").append(...examples.flatMap((one) => [make("code", {}, one), " "]));
  makeHead();
  listen();
  restoreView();
  scroller.focus({ preventScroll: true });
}

start();
