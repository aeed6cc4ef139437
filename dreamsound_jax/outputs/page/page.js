"use strict";

// A row holds a clip, {name, address of its files without a suffix, sounds: {kind: suffix}, picture,
// thumbnail and video: suffixes or null, rounds, error, command, group}, and values.
const { columns, otherNames, rows, run, missing, isPreview } = JSON.parse(
  document.getElementById("clips").textContent,
);
const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
document.documentElement.classList.toggle("dark", isDark); // DataTables' style looks for the class.
document.body.classList.toggle("preview", isPreview);

/** Makes an element. Texts in `content` never become markup. */
function make(tag, properties, ...content) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...content);
  return element;
}

/** Says something above the clips; of each kind there is one line, and "" takes it away. */
function say(kind, text) {
  const messages = document.getElementById("messages");
  const line = messages.querySelector(`[data-kind="${kind}"]`) ?? make("p", {});
  line.dataset.kind = kind;
  line.textContent = text;
  if (text === "") line.remove();
  else messages.append(line);
}

/** Copies a text; `what` is said then. Where a browser forbids it, the text can be read there. */
async function copy(text, what) {
  let said = `Copied ${what}`;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    said = `This browser forbids to copy; here is ${what}`;
  }
  const toast = document.getElementById("toast");
  toast.replaceChildren(make("p", {}, `${said}:`), make("pre", {}, text));
  toast.hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => (toast.hidden = true), 10_000);
}

let lost = 0; // pictures that are not beside the page

/** Replaces a picture by words if it cannot be shown, and says so above the clips. */
function watch(picture) {
  picture.addEventListener("error", () => {
    picture.replaceWith(make("span", { className: "lost" }, "no picture"));
    lost += 1;
    const pictures = lost === 1 ? "A picture is" : `${lost} pictures are`;
    say("pictures", `${pictures} not in the folder of this page. Move or copy the folder as a whole.`);
  });
  return picture;
}
