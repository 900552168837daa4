// The animated scene: bodies are skinned by the GPU from joint rotations; nothing is loaded from anywhere.
"use strict";
window.report = window.report || {};
(() => {
const BODY_VERTEX = `#version 300 es
layout(location=0) in vec3 position; layout(location=1) in vec3 normal;
layout(location=2) in uvec4 joints; layout(location=3) in vec4 weights;
uniform vec4 bones[72]; uniform mat4 clip; uniform vec4 shadow; out vec3 direction;
void main() {
  vec3 p = vec3(0.0), n = vec3(0.0);
  for (int k = 0; k < 4; k++) {
    int j = int(joints[k]) * 3; vec4 a = bones[j], b = bones[j + 1], c = bones[j + 2], h = vec4(position, 1.0);
    p += weights[k] * vec3(dot(a, h), dot(b, h), dot(c, h));
    n += weights[k] * vec3(dot(a.xyz, normal), dot(b.xyz, normal), dot(c.xyz, normal));
  }
  if (shadow.w > 0.0) { p.xy -= shadow.xy * max(0.0, p.z - shadow.z); p.z = shadow.z; }
  direction = n; gl_Position = clip * vec4(p, 1.0);
}`;
const BODY_FRAGMENT = `#version 300 es
precision mediump float; in vec3 direction; uniform vec4 colour; uniform float isLit; out vec4 result;
void main() {
  vec3 n = normalize(direction);
  float light = mix(1.0, 0.42 + 0.38 * max(0.0, dot(n, normalize(vec3(-0.4, -0.5, 0.8)))) + 0.2 * (0.5 + 0.5 * n.z), isLit);
  result = vec4(colour.rgb * light, colour.a);
}`;
const LINE_VERTEX = `#version 300 es
layout(location=0) in vec3 position; layout(location=1) in vec4 tint; uniform mat4 clip; out vec4 paint;
void main() { paint = tint; gl_Position = clip * vec4(position, 1.0); }`;
const LINE_FRAGMENT = `#version 300 es
precision mediump float; in vec4 paint; out vec4 result; void main() { result = paint; }`;
const FLOOR_VERTEX = `#version 300 es
layout(location=0) in vec2 corner; uniform mat4 clip; uniform vec4 place; out vec2 at;
void main() { at = place.xy + corner * place.w; gl_Position = clip * vec4(at, place.z, 1.0); }`;
const FLOOR_FRAGMENT = `#version 300 es
precision highp float; in vec2 at; uniform vec4 place; uniform vec3 ground; uniform vec3 line; uniform vec3 back;
out vec4 result;
float grid(float step) {
  vec2 cell = at / step; vec2 near = abs(fract(cell - 0.5) - 0.5) / max(fwidth(cell), 1e-5);
  return 1.0 - min(min(near.x, near.y), 1.0);
}
void main() {
  float far = smoothstep(0.55, 1.0, length(at - place.xy) / place.w);
  result = vec4(mix(mix(ground, line, max(0.45 * grid(1.0), 0.9 * grid(5.0))), back, far), 1.0);
}`;
const PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21];
const TURNED = 22; // the hands are at rest
const sub = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const unit = (a) => { const n = Math.hypot(...a) || 1; return [a[0] / n, a[1] / n, a[2] / n]; };

async function inflate(text) {
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

// Steps from sample to sample, the low bytes of all before the high ones, back to numbers; see payload.py.
function undo(bytes, count, width) {
  const values = new Int16Array(count * width);
  for (let i = 0; i < values.length; i++) {
    const step = bytes[i] | (bytes[values.length + i] << 8);
    values[i] = i < width ? step : values[i - width] + step;
  }
  return values;
}

function decode(head, buffer) {
  const part = (name, type) => new type(buffer, ...head.parts[name].map((v, i) => (i ? v / type.BYTES_PER_ELEMENT : v)));
  const mesh = {
    faces: part("faces", head.mesh.vertices > 65535 ? Uint32Array : Uint16Array),
    joints: part("joints", Uint8Array), weights: part("weights", Uint8Array),
  };
  const people = head.people.map((each) => {
    const rest = Float32Array.from(part(`${each.id}.rest`, Int16Array), (v) => v / 16384);
    return {
      ...each, rest, normals: normalsOf(rest, mesh.faces),
      turns: undo(part(`${each.id}.turns`, Uint8Array), each.count, 3 * TURNED),
      moves: undo(part(`${each.id}.moves`, Uint8Array), each.count, 3),
      state: part(`${each.id}.state`, Uint8Array), confidence: part(`${each.id}.confidence`, Uint8Array),
      is_shown: true, bones: new Float32Array(288), places: new Float32Array(72),
    };
  });
  return { mesh, people };
}

function normalsOf(points, faces) {
  const normals = new Float32Array(points.length);
  const at = (i) => [points[3 * i], points[3 * i + 1], points[3 * i + 2]];
  for (let f = 0; f < faces.length; f += 3) {
    const [a, b, c] = [at(faces[f]), at(faces[f + 1]), at(faces[f + 2])], n = cross(sub(b, a), sub(c, a));
    for (let k = 0; k < 3; k++) for (let axis = 0; axis < 3; axis++) normals[3 * faces[f + k] + axis] += n[axis];
  }
  for (let i = 0; i < normals.length; i += 3) {
    const length = Math.hypot(normals[i], normals[i + 1], normals[i + 2]) || 1;
    for (let axis = 0; axis < 3; axis++) normals[i + axis] /= length;
  }
  return normals;
}

function quaternion(turns, index, out) {
  const scale = Math.PI / 32767, x = turns[index] * scale, y = turns[index + 1] * scale, z = turns[index + 2] * scale;
  const angle = Math.hypot(x, y, z), s = angle > 1e-7 ? Math.sin(angle / 2) / angle : 0.5;
  out[0] = Math.cos(angle / 2); out[1] = x * s; out[2] = y * s; out[3] = z * s;
}

const qa = [0, 0, 0, 0], qb = [0, 0, 0, 0], turned = new Float32Array(24 * 9);

// Fill in the bones of a person at a time; false: not there.
function pose(person, time) {
  if (time < person.start_s - 0.5 / person.rate_hz || time > person.end_s + 0.5 / person.rate_hz) return false;
  const exact = Math.min(Math.max((time - person.start_s) * person.rate_hz, 0), person.count - 1);
  const before = Math.floor(exact), after = Math.min(before + 1, person.count - 1), share = exact - before;
  person.row = share < 0.5 ? before : after;
  for (let j = 0; j < 24; j++) {
    let m = [1, 0, 0, 0, 1, 0, 0, 0, 1];
    if (j < TURNED) {
      quaternion(person.turns, 3 * (before * TURNED + j), qa);
      quaternion(person.turns, 3 * (after * TURNED + j), qb);
      const sign = qa[0] * qb[0] + qa[1] * qb[1] + qa[2] * qb[2] + qa[3] * qb[3] < 0 ? -share : share;
      let [w, x, y, z] = qa.map((v, i) => v * (1 - share) + qb[i] * sign);
      const n = Math.hypot(w, x, y, z); w /= n; x /= n; y /= n; z /= n;
      m = [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y), 2 * (x * y + w * z),
        1 - 2 * (x * x + z * z), 2 * (y * z - w * x), 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)];
    }
    const parent = PARENTS[j], to = 9 * j, from = 9 * parent;
    for (let r = 0; r < 3; r++) {
      for (let c = 0; c < 3; c++) {
        turned[to + 3 * r + c] = parent < 0 ? m[3 * r + c]
          : turned[from + 3 * r] * m[c] + turned[from + 3 * r + 1] * m[3 + c] + turned[from + 3 * r + 2] * m[6 + c];
      }
      const rest = person.joints;
      let place;
      if (parent < 0) {
        const move = (k) => person.lowest[r] + ((person.moves[3 * k + r] & 65535) * person.step[r]);
        place = move(before) * (1 - share) + move(after) * share;
      } else {
        place = person.places[3 * parent + r];
        for (let c = 0; c < 3; c++) place += turned[from + 3 * r + c] * (rest[j][c] - rest[parent][c]);
      }
      person.places[3 * j + r] = place;
      let shift = place;
      for (let c = 0; c < 3; c++) {
        person.bones[12 * j + 4 * r + c] = turned[to + 3 * r + c];
        shift -= turned[to + 3 * r + c] * rest[j][c];
      }
      person.bones[12 * j + 4 * r + 3] = shift;
    }
  }
  return true;
}

function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text); gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  const places = {};
  return { use: made, at: (name) => (name in places ? places[name] : (places[name] = gl.getUniformLocation(made, name))) };
}

function buffer(gl, data, target = gl.ARRAY_BUFFER) {
  const made = gl.createBuffer();
  gl.bindBuffer(target, made); gl.bufferData(target, data, gl.STATIC_DRAW);
  return made;
}

function matrixOf(eye, target, aspect, half) {
  const z = unit(sub(eye, target)), x = unit(cross([0, 0, 1], z)), y = cross(z, x), near = 0.05, far = 500;
  const sy = 1 / half, sx = sy / aspect, a = -(far + near) / (far - near), b = (-2 * far * near) / (far - near);
  const tx = -dot(x, eye), ty = -dot(y, eye), tz = -dot(z, eye);
  return new Float32Array([sx * x[0], sy * y[0], a * z[0], -z[0], sx * x[1], sy * y[1], a * z[1], -z[1],
    sx * x[2], sy * y[2], a * z[2], -z[2], sx * tx, sy * ty, a * tz + b, -tz]);
}

window.report.core = { inflate, decode, pose, program, buffer, matrixOf, sub, cross, dot, unit, PARENTS,
  BODY_VERTEX, BODY_FRAGMENT, LINE_VERTEX, LINE_FRAGMENT, FLOOR_VERTEX, FLOOR_FRAGMENT };
})();
