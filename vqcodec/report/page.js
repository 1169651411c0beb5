"use strict";
// The viewer: which picture is shown, where the divider is, how large it is. All of it
// also works by keyboard: radio buttons, the slider, buttons, and + - 0 in the picture.
document.querySelectorAll("[data-viewer]").forEach((viewer) => {
  const pane = viewer.querySelector(".pane");
  const stage = viewer.querySelector(".stage");
  const slider = viewer.querySelector(".cut input");
  const divider = viewer.querySelector(".divider");
  const shown = viewer.querySelector("output");
  const chosen = viewer.querySelector("select");
  const width = Number(stage.dataset.width);
  const height = Number(stage.dataset.height);
  let zoom = 0; // 0 fits the picture to the page

  const fitting = () => Math.min(1, pane.clientWidth / width);

  function resize() {
    const factor = zoom || fitting();
    const x = (pane.scrollLeft + pane.clientWidth / 2) / (stage.offsetWidth || 1);
    const y = (pane.scrollTop + pane.clientHeight / 2) / (stage.offsetHeight || 1);
    stage.style.maxWidth = "none";
    stage.style.width = `${width * factor}px`;
    stage.style.height = `${height * factor}px`;
    stage.classList.toggle("fine", factor > 1);
    pane.scrollLeft = x * stage.offsetWidth - pane.clientWidth / 2;
    pane.scrollTop = y * stage.offsetHeight - pane.clientHeight / 2;
    shown.value = `${Math.round(factor * 100)} %`;
  }

  function zoomBy(direction) {
    if (direction === 0) zoom = 0;
    else {
      const power = Math.log2(zoom || fitting()) + direction;
      const rounded = direction > 0 ? Math.floor(power + 1e-9) : Math.ceil(power - 1e-9);
      zoom = 2 ** Math.min(4, Math.max(-3, rounded));
    }
    resize();
  }

  function cut(percent) {
    const value = Math.min(100, Math.max(0, percent));
    slider.value = value;
    stage.style.setProperty("--cut", `${value}%`);
    slider.setAttribute("aria-valuetext", `${Math.round(value)} % original`);
  }

  function show() {
    const view = viewer.querySelector("input[type=radio]:checked").value;
    const version = chosen ? chosen.value : "0";
    stage.dataset.view = view;
    stage.querySelectorAll("img").forEach((image) => {
      const mine = !("version" in image.dataset) || image.dataset.version === version;
      const wanted = view === "both" ? ["original", "coded"] : [view];
      image.hidden = !(mine && wanted.includes(image.className));
    });
    divider.hidden = viewer.querySelector(".cut").hidden = view !== "both";
    viewer.querySelectorAll(".scale").forEach((scale) => {
      scale.hidden = view !== "error" || scale.dataset.version !== version;
    });
  }

  slider.addEventListener("input", () => cut(Number(slider.value)));
  divider.addEventListener("pointerdown", (event) => {
    divider.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  divider.addEventListener("pointermove", (event) => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const box = stage.getBoundingClientRect();
    cut((100 * (event.clientX - box.left)) / box.width);
  });
  viewer.querySelectorAll("input[type=radio]").forEach((radio) => radio.addEventListener("change", show));
  if (chosen) chosen.addEventListener("change", show);
  viewer.querySelectorAll("[data-zoom]").forEach((button) => {
    button.addEventListener("click", () => zoomBy(Number(button.dataset.zoom)));
  });
  pane.addEventListener("keydown", (event) => {
    const direction = { "+": 1, "=": 1, "-": -1, "0": 0 }[event.key];
    if (direction === undefined || event.ctrlKey || event.metaKey) return;
    zoomBy(direction);
    event.preventDefault();
  });
  window.addEventListener("resize", () => { if (!zoom) resize(); });
  show();
  cut(50);
  resize();
});
// One player at a time.
const players = document.querySelectorAll("audio");
players.forEach((player) => player.addEventListener("play", () => {
  players.forEach((other) => { if (other !== player) other.pause(); });
}));
