// Draws the scene of scene.js on a canvas: orbit, follow, colours, skeletons, labels.
"use strict";
(() => {
const { decode, pose, program, buffer, matrixOf, sub, cross, dot, unit, PARENTS } = window.report.core;
const core = window.report.core, HALF = Math.tan((20 * Math.PI) / 180), SHADOWED_MAX = 8, TRAIL_M = 0.025, TRAIL_POINTS = 3000;
const STATUS = { refined: [0.3, 0.62, 0.95], seen: [0.95, 0.6, 0.2], filled: [0.62, 0.62, 0.66] };
const THEMES = {
  light: { back: [0.93, 0.94, 0.96], ground: [0.86, 0.87, 0.9], line: [0.55, 0.58, 0.64], edge: [0.25, 0.28, 0.33] },
  dark: { back: [0.09, 0.1, 0.12], ground: [0.16, 0.17, 0.2], line: [0.42, 0.45, 0.52], edge: [0.8, 0.82, 0.86] },
};
const clamp = (v, low, high) => Math.min(Math.max(v, low), high);
const confidenceColour = (v) => { // from orange over grey-violet to blue: told apart with any colour vision
  const stops = [[0.84, 0.37, 0.0], [0.8, 0.72, 0.65], [0.0, 0.45, 0.7]], at = clamp(v, 0, 1) * 2, k = Math.min(Math.floor(at), 1);
  return stops[k].map((a, i) => a + (stops[k + 1][i] - a) * (at - k));
};

class SceneView {
  constructor(canvas, labels, head, bytes) {
    const antialias = head.people.length <= SHADOWED_MAX; // which software rendering pays for four times
    const gl = canvas.getContext("webgl2", { antialias, preserveDrawingBuffer: true, alpha: false });
    if (!gl) throw new Error("this browser offers no WebGL 2");
    Object.assign(this, { canvas, gl, labels, head, mode: "mesh", colours: "person", followed: null, time: 0, sharpness: 1 });
    Object.assign(this, decode(head, bytes));
    this.programs = {
      body: program(gl, core.BODY_VERTEX, core.BODY_FRAGMENT), line: program(gl, core.LINE_VERTEX, core.LINE_FRAGMENT),
      floor: program(gl, core.FLOOR_VERTEX, core.FLOOR_FRAGMENT),
    };
    this.loose = gl.createBuffer();
    this.corners = buffer(gl, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]));
    if (this.people.length) {
      this.mesh.buffers = { faces: buffer(gl, this.mesh.faces, gl.ELEMENT_ARRAY_BUFFER), joints: buffer(gl, this.mesh.joints),
        weights: buffer(gl, this.mesh.weights) };
    }
    for (const person of this.people) {
      person.buffers = { rest: buffer(gl, person.rest), normals: buffer(gl, person.normals) };
      person.label = this.label(String(person.id), person.colour);
      person.trail = this.trailOf(person);
    }
    this.cameras = head.cameras.map((each) => ({ ...each, label: this.label(each.name || "camera", null) }));
    this.home();
    const scheme = window.matchMedia("(prefers-color-scheme: dark)");
    const theme = () => { this.theme = THEMES[scheme.matches ? "dark" : "light"]; this.draw(); };
    scheme.addEventListener("change", theme);
    new ResizeObserver(() => this.draw()).observe(canvas);
    this.listen();
    theme();
  }

  label(text, colour) {
    const item = document.createElement("span");
    item.textContent = text;
    if (colour) item.style.borderColor = `rgb(${colour})`;
    this.labels.append(item);
    return item;
  }

  trailOf(person) {
    const made = [], tint = [...person.colour.map((v) => v / 255), 0.9], z = this.head.floor + 0.006;
    const most = Math.min(600, TRAIL_POINTS / this.people.length);
    const stride = Math.max(1, Math.ceil(person.count / most)), points = [];
    for (let k = 0; k < person.count; k += stride) {
      points.push([0, 1].map((r) => person.lowest[r] + (person.moves[3 * k + r] & 65535) * person.step[r]));
    }
    for (let k = 0; k + 1 < points.length; k++) {
      const [a, b] = [points[k], points[k + 1]], n = Math.hypot(b[0] - a[0], b[1] - a[1]);
      if (n < 1e-4) continue;
      const x = (-(b[1] - a[1]) / n) * TRAIL_M, y = ((b[0] - a[0]) / n) * TRAIL_M;
      const quad = [[a[0] + x, a[1] + y], [a[0] - x, a[1] - y], [b[0] + x, b[1] + y], [b[0] - x, b[1] - y]];
      for (const i of [0, 1, 2, 2, 1, 3]) made.push(...quad[i], z, ...tint);
    }
    return { data: buffer(this.gl, new Float32Array(made)), count: made.length / 7 };
  }

  home() {
    const { low, high, floor } = this.head, cameras = this.cameras.map((c) => [c.pose[0][3], c.pose[1][3]]);
    this.target = [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, floor + 0.9];
    this.radius = Math.hypot(high[0] - low[0], high[1] - low[1]) / 2 + 1.3;
    if (cameras.length > 1) { // the rig, too, as far as people are not lost in it
      const apart = Math.max(...cameras.map((at) => Math.hypot(at[0] - this.target[0], at[1] - this.target[1])));
      this.radius = clamp(0.8 * apart, this.radius, 2.5 * this.radius);
    }
    this.azimuth = -Math.PI / 2; this.elevation = 0.36; this.followed = null;
    if (cameras.length === 1) this.azimuth = Math.atan2(cameras[0][1] - this.target[1], cameras[0][0] - this.target[0]) + 0.45;
    this.distance = (this.radius / HALF) * Math.max(0.8, 0.9 / Math.max(0.3, this.aspect()));
    this.reach = this.radius + 6;
    for (const at of cameras) this.reach = Math.max(this.reach, Math.hypot(at[0] - this.target[0], at[1] - this.target[1]) + 2);
    this.middle = [...this.target];
  }

  above() { this.home(); this.elevation = 1.5; this.azimuth = -Math.PI / 2; this.draw(); }

  aspect() { return this.canvas.clientWidth / Math.max(1, this.canvas.clientHeight); }

  listen() {
    const canvas = this.canvas, held = new Map();
    canvas.addEventListener("pointerdown", (event) => { held.set(event.pointerId, event); canvas.setPointerCapture(event.pointerId); });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => held.delete(event.pointerId));
    canvas.addEventListener("pointermove", (event) => {
      const last = held.get(event.pointerId);
      if (!last) return;
      const [dx, dy] = [event.clientX - last.clientX, event.clientY - last.clientY];
      if (held.size === 2) {
        const other = [...held.values()].find((each) => each.pointerId !== event.pointerId);
        const apart = (each) => Math.hypot(each.clientX - other.clientX, each.clientY - other.clientY) || 1;
        this.zoom(apart(last) / apart(event));
      } else if (event.shiftKey || event.buttons === 2) this.shift(dx, dy);
      else this.turn(-dx * 0.008, dy * 0.008);
      held.set(event.pointerId, event);
    });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== canvas) return; // the page scrolls until the scene is clicked
      event.preventDefault(); this.zoom(Math.exp(event.deltaY * 0.001));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const does = { ArrowLeft: () => this.turn(-0.1, 0), ArrowRight: () => this.turn(0.1, 0), ArrowUp: () => this.turn(0, 0.08),
        ArrowDown: () => this.turn(0, -0.08), "+": () => this.zoom(0.9), "-": () => this.zoom(1.1) }[event.key];
      if (does) { does(); event.preventDefault(); event.stopPropagation(); }
    });
  }

  turn(azimuth, elevation) {
    this.azimuth += azimuth; this.elevation = clamp(this.elevation + elevation, -0.1, 1.55); this.draw();
  }

  zoom(factor) { this.distance = clamp(this.distance * factor, 0.8, 200); this.draw(); }

  shift(dx, dy) {
    const scale = (2 * HALF * this.distance) / this.canvas.clientHeight, c = Math.cos(this.azimuth), s = Math.sin(this.azimuth);
    this.target[0] += (dx * s + dy * -c) * scale; this.target[1] += (-dx * c + dy * -s) * scale;
    this.followed = null; this.draw();
  }

  tint(person) {
    const state = person.state[person.row];
    if (this.colours === "confidence") return confidenceColour(person.confidence[person.row] / 255);
    if (this.colours === "status") return !(state & 1) ? STATUS.filled : state & 2 ? STATUS.refined : STATUS.seen;
    return person.colour.map((v) => v / 255);
  }

  show(time) { this.time = time; this.draw(); }

  draw() {
    if (this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame(() => { this.isWaiting = false; this.paint(); });
  }

  paint() {
    const { gl, canvas } = this, ratio = Math.min(window.devicePixelRatio || 1, 2) * this.sharpness;
    const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
    if (!width || !height || !this.theme) return;
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    const here = this.people.filter((person) => { person.isHere = pose(person, this.time); return person.isHere && person.is_shown; });
    const followed = here.find((person) => person.id === this.followed);
    if (followed) this.target = [followed.places[0], followed.places[1], this.head.floor + 0.9];
    const flat = Math.cos(this.elevation) * this.distance;
    this.eye = [this.target[0] + Math.cos(this.azimuth) * flat, this.target[1] + Math.sin(this.azimuth) * flat,
      Math.max(this.target[2] + Math.sin(this.elevation) * this.distance, this.head.floor + 0.1)];
    this.clip = matrixOf(this.eye, this.target, width / height, HALF);
    gl.viewport(0, 0, width, height);
    gl.clearColor(...this.theme.back, 1); gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST); gl.enable(gl.BLEND); gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    this.paintFloor();
    for (const person of this.people) if (person.is_shown) this.paintLines(person.trail.data, person.trail.count, gl.TRIANGLES);
    this.paintCameras();
    if (this.mode === "mesh") this.paintBodies(here);
    else this.paintSkeletons(here);
    this.placeLabels(here);
  }

  paintFloor() {
    const { gl } = this, { use, at } = this.programs.floor;
    gl.useProgram(use);
    gl.uniformMatrix4fv(at("clip"), false, this.clip);
    gl.uniform4f(at("place"), this.middle[0], this.middle[1], this.head.floor, this.reach);
    for (const name of ["ground", "line", "back"]) gl.uniform3fv(at(name), this.theme[name]);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.corners);
    gl.enableVertexAttribArray(0); gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    for (const k of [1, 2, 3]) gl.disableVertexAttribArray(k);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }

  paintLines(data, count, kind) {
    if (!count) return;
    const { gl } = this, { use, at } = this.programs.line;
    gl.useProgram(use);
    gl.uniformMatrix4fv(at("clip"), false, this.clip);
    gl.bindBuffer(gl.ARRAY_BUFFER, data);
    gl.enableVertexAttribArray(0); gl.vertexAttribPointer(0, 3, gl.FLOAT, false, 28, 0);
    gl.enableVertexAttribArray(1); gl.vertexAttribPointer(1, 4, gl.FLOAT, false, 28, 12);
    for (const k of [2, 3]) gl.disableVertexAttribArray(k);
    gl.drawArrays(kind, 0, count);
  }

  paintLoose(values, kind) {
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.loose);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, new Float32Array(values), this.gl.DYNAMIC_DRAW);
    this.paintLines(this.loose, values.length / 7, kind);
  }

  paintCameras() {
    const made = [], tint = [...this.theme.edge, 1], size = 0.35 + 0.03 * this.radius;
    for (const each of this.cameras) {
      const at = (x, y, z) => [0, 1, 2].map((r) => each.pose[r][0] * x + each.pose[r][1] * y + each.pose[r][2] * z + each.pose[r][3]);
      const [w, h] = each.half, rim = [[-w, -h], [w, -h], [w, h], [-w, h]].map(([x, y]) => at(x * size, y * size, size));
      each.tip = at(0, 0, 0);
      const up = [at(-0.3 * w * size, -1.1 * h * size, size), at(0, -1.45 * h * size, size), at(0.3 * w * size, -1.1 * h * size, size)];
      rim.forEach((corner, k) => { for (const p of [corner, rim[(k + 1) % 4], each.tip, corner]) made.push(...p, ...tint); });
      for (const p of [up[0], up[1], up[1], up[2]]) made.push(...p, ...tint);
      for (const p of [each.tip, [each.tip[0], each.tip[1], this.head.floor]]) made.push(...p, ...this.theme.line, 0.7);
    }
    this.paintLoose(made, this.gl.LINES);
  }

  paintBodies(here) {
    const { gl } = this, { use, at } = this.programs.body;
    if (!here.length) return;
    gl.useProgram(use);
    gl.uniformMatrix4fv(at("clip"), false, this.clip);
    const solid = here.filter((person) => person.state[person.row] & 1), filled = here.filter((person) => !(person.state[person.row] & 1));
    const kind = this.mesh.faces.BYTES_PER_ELEMENT === 4 ? gl.UNSIGNED_INT : gl.UNSIGNED_SHORT;
    const paint = (person, colour, isLit, shadow) => {
      gl.uniform4fv(at("bones"), person.bones.subarray(0, 288));
      gl.uniform4f(at("colour"), ...colour); gl.uniform1f(at("isLit"), isLit); gl.uniform4f(at("shadow"), ...shadow);
      for (const [k, data, size] of [[0, person.buffers.rest, 3], [1, person.buffers.normals, 3]]) {
        gl.bindBuffer(gl.ARRAY_BUFFER, data); gl.enableVertexAttribArray(k); gl.vertexAttribPointer(k, size, gl.FLOAT, false, 0, 0);
      }
      gl.bindBuffer(gl.ARRAY_BUFFER, this.mesh.buffers.joints); gl.enableVertexAttribArray(2);
      gl.vertexAttribIPointer(2, 4, gl.UNSIGNED_BYTE, 0, 0);
      gl.bindBuffer(gl.ARRAY_BUFFER, this.mesh.buffers.weights); gl.enableVertexAttribArray(3);
      gl.vertexAttribPointer(3, 4, gl.UNSIGNED_BYTE, true, 0, 0);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.mesh.buffers.faces);
      gl.drawElements(gl.TRIANGLES, this.mesh.faces.length, kind, 0);
    };
    if (here.length <= SHADOWED_MAX) {
      const dark = this.theme.ground.map((v) => v * 0.72);
      for (const person of here) paint(person, [...dark, 1], 0, [0.35, -0.25, this.head.floor + 0.003, 1]);
    }
    for (const person of solid) paint(person, [...this.tint(person), 1], 1, [0, 0, 0, 0]);
    gl.colorMask(false, false, false, false); // only the nearest surface of a body that one can see through
    for (const person of filled) paint(person, [0, 0, 0, 1], 0, [0, 0, 0, 0]);
    gl.colorMask(true, true, true, true); gl.depthFunc(gl.LEQUAL);
    for (const person of filled) paint(person, [...this.tint(person), 0.5], 1, [0, 0, 0, 0]);
    gl.depthFunc(gl.LESS);
  }

  paintSkeletons(here) {
    const made = [];
    for (const person of here) {
      const tint = [...this.tint(person), person.state[person.row] & 1 ? 1 : 0.5];
      for (let j = 1; j < 24; j++) {
        const [a, b] = [j, PARENTS[j]].map((k) => [...person.places.subarray(3 * k, 3 * k + 3)]);
        const n = unit(cross(sub(b, a), sub(this.eye, a))).map((v) => v * 0.022);
        const quad = [a.map((v, i) => v + n[i]), sub(a, n), b.map((v, i) => v + n[i]), sub(b, n)];
        for (const i of [0, 1, 2, 2, 1, 3]) made.push(...quad[i], ...tint);
      }
    }
    this.paintLoose(made, this.gl.TRIANGLES);
  }

  placeLabels(here) {
    const place = (item, at, lift) => {
      const m = this.clip, w = m[3] * at[0] + m[7] * at[1] + m[11] * at[2] + m[15];
      const x = (m[0] * at[0] + m[4] * at[1] + m[8] * at[2] + m[12]) / w, y = (m[1] * at[0] + m[5] * at[1] + m[9] * at[2] + m[13]) / w;
      item.hidden = w < 0.1 || Math.abs(x) > 1 || Math.abs(y) > 1;
      item.style.left = `${50 * (x + 1)}%`; item.style.top = `${50 * (1 - y)}%`; // shares: a printed scene has another size
      item.style.transform = `translate(-50%, ${lift})`;
    };
    for (const person of this.people) {
      if (!here.includes(person)) { person.label.hidden = true; continue; }
      const head = person.places.subarray(45, 48);
      place(person.label, [head[0], head[1], head[2] + 0.22], "-100%");
    }
    for (const each of this.cameras) place(each.label, each.tip, "20%");
  }
}

window.report.SceneView = SceneView;
})();
