"use strict";

// The place on the page: what is sorted and filtered, how far it is scrolled, and what is played.
// It is kept when the page is left, and restored when it is opened again.

const scroller = document.querySelector(".dt-layout-table");

function keepPlace() {
  const playing = current === null ? {} : { clip: rows[current][0].name, seconds: audio.currentTime };
  const place = {
    ...playing,
    address: location.hash.slice(1),
    order: table.order().map(([at, direction]) => [columns[at].name, direction]),
    showsAll,
    page: table.page(),
    length: table.page.len(),
    scrolled: [scroller.scrollLeft, scroller.scrollTop, window.scrollY],
  };
  remember((kept) => (kept.place = place));
}

function restorePlace(place) {
  const order = (place.order ?? []).map(([name, direction]) => [findColumn(name), direction]);
  if (order.length > 0 && order.every(([at]) => at >= 0)) table.order(order);
  if (place.showsAll) showAll(true);
  if (isLong && place.length > 0) table.page.len(place.length);
  applyAddress(location.hash.slice(1) || place.address || "");
  if (isLong && place.page > 0) table.page(place.page).draw("page");
  const at = rows.findIndex((row) => row[0].name === place.clip && !hasFailed(row));
  if (at >= 0) {
    choose(at);
    const goOn = () => (audio.currentTime = place.seconds);
    if (place.seconds > 0) audio.addEventListener("loadedmetadata", goOn, { once: true });
  }
  const [left, top, page] = place.scrolled ?? [0, 0, 0];
  scroller.scrollTo(left, top);
  window.scrollTo(0, page);
}

history.scrollRestoration = "manual";
restorePlace(recall().place);
window.addEventListener("pagehide", keepPlace);
document.addEventListener("visibilitychange", () => document.hidden && keepPlace());
