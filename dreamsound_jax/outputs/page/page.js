"use strict";

// A row holds a clip, {name, address of its files without a suffix, suffixes of its sounds,
// hasPicture, error}, and values.
const { columns, rows } = JSON.parse(document.getElementById("clips").textContent);
const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
document.documentElement.classList.toggle("dark", isDark); // DataTables' style looks for the class.
