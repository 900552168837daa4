// One time for video, scene, timeline and plots; the controls; reading of plots.
"use strict";
(() => {
const get = (id) => document.getElementById(id), all = (query) => [...document.querySelectorAll(query)];
const head = JSON.parse(get("scene-head").textContent), plots = JSON.parse(get("plot-data").textContent);
const [start, end] = head.span, video = get("video"), slider = get("time");
const SLOW_FPS = 12, HEAVY_BODIES = 5;
const clock = { time: start, isPlaying: false, speed: 1, last: 0, frames: 0, since: 0 };
let view = null, hasVideo = Boolean(video);
const stamp = (s) => `${Math.floor(s / 60)}:${(s % 60).toFixed(1).padStart(4, "0")}`;
const say = (text) => { get("status").textContent = text; };

function show(time, isFromVideo = false) {
  clock.time = Math.min(Math.max(time, start), end);
  slider.value = clock.time;
  slider.setAttribute("aria-valuetext", `${stamp(clock.time)} of ${stamp(end)}`);
  get("clock").textContent = `${stamp(clock.time)} / ${stamp(end)}`;
  document.documentElement.style.setProperty("--now", `${(100 * (clock.time - start)) / Math.max(end - start, 1e-6)}%`);
  if (hasVideo && !isFromVideo) video.currentTime = Math.max(0, clock.time - head.video_start_s);
  if (view) view.show(clock.time);
  all("[data-present]").forEach((item) => {
    const spans = item.dataset.present.split(",").map((each) => each.split("-").map(Number));
    item.classList.toggle("is-here", spans.some(([a, b]) => a <= clock.time && clock.time <= b));
  });
}

function play(isPlaying) {
  if (isPlaying && clock.time >= end - 0.05) show(start);
  clock.isPlaying = isPlaying; clock.last = performance.now(); clock.frames = 0; clock.since = clock.last;
  get("play").textContent = isPlaying ? "Pause" : "Play";
  get("play").setAttribute("aria-pressed", String(isPlaying));
  if (hasVideo) {
    if (isPlaying && video.paused) video.play().catch(() => { hasVideo = false; });
    if (!isPlaying && !video.paused) video.pause();
  }
  if (isPlaying) requestAnimationFrame(step);
}

function step(now) {
  if (!clock.isPlaying) return;
  if (hasVideo && !video.ended) show(video.currentTime + head.video_start_s, true);
  else show(clock.time + ((now - clock.last) / 1000) * clock.speed, true);
  clock.last = now;
  clock.frames++;
  if (now - clock.since > 2000) measure(now);
  if (clock.time >= end - 1e-3 || (hasVideo && video.ended)) { play(false); return; }
  requestAnimationFrame(step);
}

function measure(now) {
  const fps = (1000 * clock.frames) / (now - clock.since);
  document.body.dataset.fps = fps.toFixed(1);
  if (view && fps < SLOW_FPS && view.sharpness === 1) {
    view.sharpness = 0.5;
    say(`This computer drew ${fps.toFixed(0)} frames a second, so the scene has fewer pixels.`);
  } else if (view && fps < SLOW_FPS && view.mode === "mesh" && view.people.filter((p) => p.isHere).length >= HEAVY_BODIES) {
    setMode("skeleton");
    say(`This computer drew ${fps.toFixed(0)} frames a second, so people are shown as skeletons. Choose "bodies" to see them again.`);
  }
  clock.frames = 0; clock.since = now;
}

function setMode(mode) { view.mode = mode; get("mode").value = mode; view.draw(); }

function choose(id, what) {
  const person = view && view.people.find((each) => each.id === id);
  if (!person) return;
  if (what === "hide") person.is_shown = !person.is_shown;
  else { view.followed = view.followed === id ? null : id; if (view.followed) { person.is_shown = true; view.distance = Math.min(view.distance, 7); } }
  all(`[data-person="${id}"]`).forEach((item) => item.classList.toggle("is-hidden", !person.is_shown));
  all("button[data-follow]").forEach((item) => item.setAttribute("aria-pressed", String(view.followed === Number(item.dataset.follow))));
  all("button[data-hide]").forEach((item) => {
    const other = view.people.find((each) => each.id === Number(item.dataset.hide));
    item.setAttribute("aria-pressed", String(Boolean(other && !other.is_shown)));
  });
  view.draw();
}

function listen() {
  get("play").addEventListener("click", () => play(!clock.isPlaying));
  slider.addEventListener("input", () => show(Number(slider.value)));
  get("speed").addEventListener("change", (event) => {
    clock.speed = Number(event.target.value);
    if (video) video.playbackRate = clock.speed;
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, select, button, video, summary, a, textarea")) return;
    if (event.key === " ") { play(!clock.isPlaying); event.preventDefault(); }
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") { show(clock.time + (event.key === "ArrowLeft" ? -0.5 : 0.5)); event.preventDefault(); }
  });
  if (video) {
    video.addEventListener("error", () => { hasVideo = false; get("video-missing").hidden = false; }, true);
    video.addEventListener("play", () => { if (!clock.isPlaying) play(true); });
    video.addEventListener("pause", () => { if (clock.isPlaying && !video.ended) play(false); });
    video.addEventListener("seeked", () => { if (!clock.isPlaying) show(video.currentTime + head.video_start_s, true); });
  }
  all("[data-seek]").forEach((bar) => bar.addEventListener("click", (event) => {
    const box = bar.getBoundingClientRect();
    show(start + ((event.clientX - box.left) / box.width) * (end - start));
  }));
  all("button[data-follow]").forEach((item) => item.addEventListener("click", () => choose(Number(item.dataset.follow), "follow")));
  all("button[data-hide]").forEach((item) => item.addEventListener("click", () => choose(Number(item.dataset.hide), "hide")));
  all("[data-plot]").forEach(readPlot);
}

// The values at the pointer, and the line of the person who is nearest to it.
function readPlot(area) {
  const plot = plots[area.dataset.plot], note = area.parentElement.querySelector(".reading");
  area.addEventListener("pointerleave", () => { note.textContent = "\u00a0"; all(".line.is-near").forEach((l) => l.classList.remove("is-near")); });
  area.addEventListener("pointermove", (event) => {
    const box = area.getBoundingClientRect(), time = start + ((event.clientX - box.left) / box.width) * (end - start);
    const wanted = plot.top * (1 - (event.clientY - box.top) / box.height), found = [];
    for (const line of plot.lines) {
      const k = Math.round((time - line.start_s) / line.step_s), value = line.values[k];
      if (value !== undefined && value !== null) found.push({ line, value, gap: Math.abs(value - wanted) });
    }
    found.sort((a, b) => a.gap - b.gap);
    note.textContent = `${stamp(time)}   ` + (found.slice(0, 3).map(({ line, value }) => `${line.name}: ${value} ${plot.unit}`).join("   ") || "nobody");
    area.querySelectorAll(".line").forEach((l) => l.classList.toggle("is-near", Boolean(found.length) && l.dataset.person === String(found[0].line.id)));
  });
}

async function begin() {
  listen();
  show(start);
  const canvas = get("scene");
  try {
    view = new window.report.SceneView(canvas, get("labels"), head, await window.report.core.inflate(get("scene-data").textContent));
  } catch (error) {
    get("scene-box").classList.add("is-missing");
    say(`The 3D scene cannot be shown: ${error.message}.`);
    document.body.dataset.ready = "no";
    return;
  }
  get("mode").addEventListener("change", (event) => setMode(event.target.value));
  get("colours").addEventListener("change", (event) => {
    view.colours = event.target.value;
    all("[data-legend]").forEach((item) => { item.hidden = item.dataset.legend !== view.colours; });
    view.draw();
  });
  const does = { home: () => { view.home(); view.draw(); }, above: () => view.above(), nearer: () => view.zoom(0.8), farther: () => view.zoom(1.25) };
  for (const [name, action] of Object.entries(does)) get(name).addEventListener("click", action);
  window.report.view = view;
  show(start);
  document.body.dataset.ready = "yes";
}
window.report.clock = clock; window.report.show = show; window.report.play = play;
begin();
})();
