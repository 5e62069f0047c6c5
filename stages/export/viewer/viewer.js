// A viewer for the project's own GLB files: skinned, textured surfaces, their skeleton, animations and morph targets. WebGL2, nothing else.
//
// Matrices are column-major arrays of 16, quaternions xyzw, as in glTF. What needs no browser stands first and is tested with node.
"use strict";

const COLUMNS = {SCALAR: 1, VEC2: 2, VEC3: 3, VEC4: 4, MAT4: 16};
const ARRAYS = {5121: Uint8Array, 5123: Uint16Array, 5125: Uint32Array, 5126: Float32Array};

/** The JSON and the binary chunk of a GLB file given as a Uint8Array. */
function splitGlb(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== 0x46546c67 || view.getUint32(4, true) !== 2) throw new Error("not a GLB file of version 2");
  const size = view.getUint32(12, true);
  const json = JSON.parse(new TextDecoder().decode(bytes.subarray(20, 20 + size)));
  return {json, binary: bytes.subarray(28 + size)};
}

/** The values of an accessor as a typed array; what has no data is zero. */
function accessor(glb, index) {
  const item = glb.json.accessors[index], columns = COLUMNS[item.type], Kind = ARRAYS[item.componentType];
  const values = item.bufferView === undefined ? new Kind(item.count * columns) : packed(glb, item, item.count * columns, item.componentType);
  if (item.sparse) {
    const {count, indices} = item.sparse, where = packed(glb, indices, count, indices.componentType);
    const given = packed(glb, item.sparse.values, count * columns, item.componentType);
    where.forEach((v, k) => values.set(given.subarray(k * columns, k * columns + columns), v * columns));
  }
  return values;
}

/** ``count`` numbers of one type from where ``item`` says. */
function packed(glb, item, count, type) {
  const view = glb.json.bufferViews[item.bufferView], Kind = ARRAYS[type], start = (view.byteOffset || 0) + (item.byteOffset || 0);
  return new Kind(glb.binary.slice(start, start + count * Kind.BYTES_PER_ELEMENT).buffer);
}

/** One surface: geometry, texture, and by name how far each morph target moves its vertices. */
function readPart(glb, mesh, primitive) {
  const read = (name) => primitive.attributes[name] === undefined ? null : accessor(glb, primitive.attributes[name]);
  const names = (mesh.extras && mesh.extras.targetNames) || [], material = glb.json.materials[primitive.material];
  return {
    position: read("POSITION"), normal: read("NORMAL"), uv: read("TEXCOORD_0"), joints: read("JOINTS_0"), weights: read("WEIGHTS_0"),
    indices: accessor(glb, primitive.indices), png: picture(glb, primitive.material), bothSides: Boolean(material && material.doubleSided),
    morphs: new Map((primitive.targets || []).map((target, k) => [names[k], accessor(glb, target.POSITION)])),
  };
}

/** Everything that is drawn and played: surfaces (the first one's geometry also by itself), nodes, joints, clips. */
function readFigure(bytes) {
  const glb = splitGlb(bytes), json = glb.json;
  const parts = json.meshes.flatMap((mesh) => mesh.primitives.map((primitive) => readPart(glb, mesh, primitive)));
  const skin = json.skins ? json.skins[0] : null;
  const parents = new Array(json.nodes.length).fill(-1);
  json.nodes.forEach((node, n) => (node.children || []).forEach((c) => { parents[c] = n; }));
  return {
    ...parts[0], parts, expressions: [...new Set(parts.flatMap((part) => [...part.morphs.keys()]))], nodes: json.nodes, parents,
    order: parentsFirst(json, parents), jointNodes: skin ? skin.joints : [], inverse: skin ? accessor(glb, skin.inverseBindMatrices) : null,
    clips: (json.animations || []).map((animation) => readClip(glb, animation)), bounds: json.accessors[json.meshes[0].primitives[0].attributes.POSITION],
  };
}

function parentsFirst(json, parents) {
  const order = [], stack = json.nodes.map((_, n) => n).filter((n) => parents[n] < 0).reverse();
  while (stack.length) {
    const n = stack.pop();
    order.push(n);
    stack.push(...(json.nodes[n].children || []).slice().reverse());
  }
  return order;
}

/** The base colour's PNG as bytes, or null. */
function picture(glb, material) {
  const pbr = material === undefined ? null : glb.json.materials[material].pbrMetallicRoughness;
  if (!pbr || !pbr.baseColorTexture) return null;
  const view = glb.json.bufferViews[glb.json.images[glb.json.textures[pbr.baseColorTexture.index].source].bufferView];
  return glb.binary.slice(view.byteOffset || 0, (view.byteOffset || 0) + view.byteLength);
}

function readClip(glb, animation) {
  const channels = animation.channels.map((channel) => {
    const sampler = animation.samplers[channel.sampler];
    return {node: channel.target.node, path: channel.target.path, times: accessor(glb, sampler.input), values: accessor(glb, sampler.output)};
  });
  return {name: animation.name, channels, seconds: Math.max(...channels.map((c) => c.times[c.times.length - 1]))};
}

/** The value of a linear channel at a time in seconds. */
function sample(channel, t) {
  const {times, values} = channel, columns = channel.path === "rotation" ? 4 : 3;
  let low = 0, high = times.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (times[middle] <= t) low = middle; else high = middle;
  }
  const span = times[high] - times[low], s = span > 0 ? Math.min(Math.max((t - times[low]) / span, 0), 1) : 0;
  const a = values.subarray(low * columns, low * columns + columns), b = values.subarray(high * columns, high * columns + columns);
  return columns === 4 ? slerp(a, b, s) : Array.from(a, (x, i) => x + s * (b[i] - x));
}

function slerp(a, b, s) {
  let dot = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
  const sign = dot < 0 ? -1 : 1, angle = Math.acos(Math.min(Math.abs(dot), 1)), sin = Math.sin(angle);
  const p = sin < 1e-6 ? 1 - s : Math.sin((1 - s) * angle) / sin, q = sign * (sin < 1e-6 ? s : Math.sin(s * angle) / sin);
  const out = [0, 1, 2, 3].map((i) => p * a[i] + q * b[i]), size = Math.hypot(...out);
  return out.map((x) => x / size);
}

function multiply(a, b) {
  const out = new Float64Array(16);
  for (let c = 0; c < 4; c++) for (let r = 0; r < 4; r++) {
    let sum = 0;
    for (let k = 0; k < 4; k++) sum += a[4 * k + r] * b[4 * c + k];
    out[4 * c + r] = sum;
  }
  return out;
}

function fromTurn([x, y, z, w], [tx, ty, tz]) {
  return new Float64Array([
    1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y), 0, 2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x), 0,
    2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y), 0, tx, ty, tz, 1]);
}

/** World matrices of all nodes at a time of a clip (null: at rest). */
function worldsAt(figure, clip, t) {
  const moved = new Map();
  for (const channel of clip ? clip.channels : []) moved.set(`${channel.node} ${channel.path}`, sample(channel, t));
  const worlds = new Array(figure.nodes.length);
  for (const n of figure.order) {
    const node = figure.nodes[n];
    const turn = moved.get(`${n} rotation`) || node.rotation || [0, 0, 0, 1], place = moved.get(`${n} translation`) || node.translation || [0, 0, 0];
    const local = fromTurn(turn, place);
    worlds[n] = figure.parents[n] < 0 ? local : multiply(worlds[figure.parents[n]], local);
  }
  return worlds;
}

/** Skinning matrices, 16 numbers for each joint. */
function skinMatrices(figure, worlds) {
  const out = new Float32Array(16 * figure.jointNodes.length);
  figure.jointNodes.forEach((n, j) => out.set(multiply(worlds[n], figure.inverse.subarray(16 * j, 16 * j + 16)), 16 * j));
  return out;
}

/** How far the eyes are shut, from 0 to 1, ``t`` seconds after the page was opened: now and then for a fifth of a second, sometimes twice. */
function blinkAt(t) {
  const shut = (since) => since < 0 || since > 0.24 ? 0 : since < 0.08 ? since / 0.08 : since < 0.11 ? 1 : (0.24 - since) / 0.13;
  const turn = Math.floor(t / 3.7), start = 1.2 + 1.9 * Math.abs(Math.sin(turn * 12.9898)), within = t - 3.7 * turn;
  return Math.max(shut(within - start), turn % 3 === 2 ? shut(within - start - 0.32) : 0);
}

function perspective(fov, aspect, near, far) {
  const f = 1 / Math.tan(fov / 2);
  return new Float64Array([f / aspect, 0, 0, 0, 0, f, 0, 0, 0, 0, (far + near) / (near - far), -1, 0, 0, 2 * far * near / (near - far), 0]);
}

/** The view from azimuth (radians, 0 is the front, positive to the character's left) and height about a point, at a distance. */
function orbitView(azimuth, height, distance, [x, y, z]) {
  const ca = Math.cos(azimuth), sa = Math.sin(azimuth), ch = Math.cos(height), sh = Math.sin(height);
  const right = [ca, 0, -sa], up = [-sa * sh, ch, -ca * sh], back = [sa * ch, sh, ca * ch];
  const at = [x + back[0] * distance, y + back[1] * distance, z + back[2] * distance];
  const move = (axis) => -(axis[0] * at[0] + axis[1] * at[1] + axis[2] * at[2]);
  return new Float64Array([right[0], up[0], back[0], 0, right[1], up[1], back[1], 0, right[2], up[2], back[2], 0, move(right), move(up), move(back), 1]);
}

// ---- What needs a browser ----

const FIGURE_VERTEX = `#version 300 es
in vec3 position; in vec3 normal; in vec2 uv; in uvec4 joints; in vec4 weights; in vec3 blink; in vec3 face;
uniform mat4 clip; uniform highp sampler2D bones; uniform bool skinned; uniform vec2 expressed;
out vec3 seen; out vec2 at;
mat4 bone(uint j) { int x = int(j) * 4; return mat4(texelFetch(bones, ivec2(x, 0), 0), texelFetch(bones, ivec2(x + 1, 0), 0), texelFetch(bones, ivec2(x + 2, 0), 0), texelFetch(bones, ivec2(x + 3, 0), 0)); }
void main() {
  mat4 move = mat4(1.0);
  if (skinned) move = weights.x * bone(joints.x) + weights.y * bone(joints.y) + weights.z * bone(joints.z) + weights.w * bone(joints.w);
  seen = mat3(move) * normal; at = uv;
  gl_Position = clip * move * vec4(position + expressed.x * blink + expressed.y * face, 1.0);
}`;
const FIGURE_FRAGMENT = `#version 300 es
precision highp float;
in vec3 seen; in vec2 at; uniform sampler2D kd; uniform bool textured; uniform vec3 light; out vec4 colour;
void main() {
  vec3 base = textured ? texture(kd, at).rgb : vec3(0.8);
  colour = vec4(base * (0.88 + 0.12 * smoothstep(-0.15, 0.15, dot(normalize(seen), light))), 1.0);
}`;
const FLOOR_VERTEX = `#version 300 es
in vec2 corner; uniform mat4 clip; uniform vec2 middle; uniform float size; out vec2 place;
void main() { place = middle + corner * size; gl_Position = clip * vec4(place.x, -0.002, place.y, 1.0); }`;
const FLOOR_FRAGMENT = `#version 300 es
precision highp float;
in vec2 place; uniform vec2 middle; uniform vec2 passed; uniform float size; uniform float tile; out vec4 colour;
void main() {
  vec2 cell = floor((place - passed) / tile);
  float dark = mod(cell.x + cell.y, 2.0), fade = smoothstep(0.45, 1.0, length(place - middle) / size);
  colour = vec4(mix(mix(vec3(0.83, 0.85, 0.88), vec3(0.72, 0.74, 0.79), dark), vec3(0.86, 0.875, 0.9), fade), 1.0);
}`;

function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made));
  return made;
}

function attribute(gl, made, name, values, columns, whole) {
  const place = gl.getAttribLocation(made, name);
  if (place < 0 || !values) return;
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(place);
  if (whole) gl.vertexAttribIPointer(place, columns, values.BYTES_PER_ELEMENT === 1 ? gl.UNSIGNED_BYTE : gl.UNSIGNED_SHORT, 0, 0);
  else gl.vertexAttribPointer(place, columns, gl.FLOAT, false, 0, 0);
}

/** The figure's surfaces on the graphics card, with the one program that draws them all. */
async function figureOnCard(gl, figure) {
  const made = program(gl, FIGURE_VERTEX, FIGURE_FRAGMENT), parts = [];
  for (const part of figure.parts) parts.push(await partOnCard(gl, made, part));
  const bones = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, bones);
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
  return {made, parts, bones, where: (name) => gl.getUniformLocation(made, name)};
}

async function partOnCard(gl, made, part) {
  const array = gl.createVertexArray();
  gl.bindVertexArray(array);
  attribute(gl, made, "position", part.position, 3);
  attribute(gl, made, "normal", part.normal, 3);
  attribute(gl, made, "uv", part.uv, 2);
  attribute(gl, made, "joints", part.joints, 4, true);
  attribute(gl, made, "weights", part.weights, 4);
  attribute(gl, made, "blink", part.morphs.get("blink"), 3);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, part.indices, gl.STATIC_DRAW);
  gl.bindVertexArray(null);
  return {array, part, count: part.indices.length, kd: part.png && part.uv ? await loadTexture(gl, part.png) : null};
}

/** Lay out an expression (null: none) for drawing. */
function express(gl, card, name) {
  for (const {array, part} of card.parts) {
    gl.bindVertexArray(array);
    const place = gl.getAttribLocation(card.made, "face");
    if (place >= 0) gl.disableVertexAttribArray(place);
    attribute(gl, card.made, "face", part.morphs.get(name), 3);
  }
  gl.bindVertexArray(null);
}

async function loadTexture(gl, png) {
  const image = await createImageBitmap(new Blob([png], {type: "image/png"}), {premultiplyAlpha: "none", colorSpaceConversion: "none"});
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, image);
  gl.generateMipmap(gl.TEXTURE_2D);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
  return texture;
}

function floorOnCard(gl) {
  const made = program(gl, FLOOR_VERTEX, FLOOR_FRAGMENT), array = gl.createVertexArray();
  gl.bindVertexArray(array);
  attribute(gl, made, "corner", new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), 2);
  return {made, array, where: (name) => gl.getUniformLocation(made, name)};
}

/** Draw one moment. ``state``: azimuth, height, distance, clip (or null), t; ``speed`` is the ground's under a clip that stays on the spot. */
function drawMoment(gl, cards, figure, state) {
  const canvas = gl.canvas, ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  const worlds = worldsAt(figure, state.clip, state.t), {min, max} = figure.bounds;
  const root = figure.jointNodes.length ? worlds[figure.jointNodes[0]] : null;
  const middle = root ? [root[12], (min[1] + max[1]) / 2, root[14]] : [(min[0] + max[0]) / 2, (min[1] + max[1]) / 2, (min[2] + max[2]) / 2];
  const view = orbitView(state.azimuth, state.height, state.distance, middle);
  const clip = new Float32Array(multiply(perspective(0.6, canvas.width / canvas.height, state.distance / 50, state.distance * 20), view));
  gl.viewport(0, 0, canvas.width, canvas.height);
  gl.clearColor(0.86, 0.875, 0.9, 1);
  gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  gl.enable(gl.DEPTH_TEST);
  drawFloor(gl, cards.floor, clip, middle, max[1] - min[1], state);
  const {figure: card} = cards;
  gl.useProgram(card.made);
  gl.activeTexture(gl.TEXTURE1);
  gl.bindTexture(gl.TEXTURE_2D, card.bones);
  if (root) gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, 4 * figure.jointNodes.length, 1, 0, gl.RGBA, gl.FLOAT, skinMatrices(figure, worlds));
  gl.activeTexture(gl.TEXTURE0);
  gl.uniformMatrix4fv(card.where("clip"), false, clip);
  gl.uniform1i(card.where("bones"), 1);
  gl.uniform1i(card.where("kd"), 0);
  gl.uniform1i(card.where("skinned"), root ? 1 : 0);
  gl.uniform2f(card.where("expressed"), state.face ? 0 : blinkAt(state.seen || 0), state.face ? 1 : 0);
  gl.uniform3f(card.where("light"), view[2], view[6], view[10]);
  for (const part of card.parts) {
    gl.bindVertexArray(part.array);
    gl.bindTexture(gl.TEXTURE_2D, part.kd);
    gl.uniform1i(card.where("textured"), part.kd ? 1 : 0);
    gl.drawElements(gl.TRIANGLES, part.count, gl.UNSIGNED_INT, 0);
  }
}

function drawFloor(gl, card, clip, middle, tall, state) {
  gl.useProgram(card.made);
  gl.bindVertexArray(card.array);
  gl.uniformMatrix4fv(card.where("clip"), false, clip);
  gl.uniform2f(card.where("middle"), middle[0], middle[2]);
  gl.uniform2f(card.where("passed"), 0, -(state.played || 0) * (state.speed || 0));
  gl.uniform1f(card.where("size"), 3.5 * tall);
  gl.uniform1f(card.where("tile"), 0.16 * tall);
  gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
}

function listen(canvas, state) {
  const touches = new Map();
  canvas.addEventListener("pointerdown", (e) => { state.taken = true; canvas.setPointerCapture(e.pointerId); touches.set(e.pointerId, [e.clientX, e.clientY]); });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (e) => touches.delete(e.pointerId));
  canvas.addEventListener("pointermove", (e) => {
    const before = touches.get(e.pointerId);
    if (!before) return;
    const spread = () => { const [a, b] = [...touches.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
    const wide = touches.size > 1 ? spread() : 0;
    touches.set(e.pointerId, [e.clientX, e.clientY]);
    if (touches.size > 1) zoom(state, wide / Math.max(spread(), 1));
    else {
      state.azimuth -= (e.clientX - before[0]) * 0.008;
      state.height = Math.min(Math.max(state.height + (e.clientY - before[1]) * 0.006, -0.15), 1.5);
    }
  });
  // Until the figure has been touched the wheel belongs to the page round it.
  canvas.addEventListener("wheel", (e) => { if (!state.taken) return; e.preventDefault(); zoom(state, Math.exp(e.deltaY * 0.001)); }, {passive: false});
}

function zoom(state, factor) {
  state.distance = Math.min(Math.max(state.distance * factor, state.nearest), state.nearest * 12);
}

/** Set up the page: the GLB as base64, and for each clip whether it loops and how fast the ground passes. */
async function show(base64, clips) {
  const canvas = document.getElementById("view"), gl = canvas.getContext("webgl2", {antialias: true});
  if (!gl) throw new Error("this browser has no WebGL2");
  const figure = readFigure(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)));
  const cards = {figure: await figureOnCard(gl, figure), floor: floorOnCard(gl)};
  const tall = figure.bounds.max[1] - figure.bounds.min[1];
  const state = {azimuth: 0.5, height: 0.12, distance: 2.1 * tall, nearest: 0.5 * tall, clip: figure.clips[0] || null, t: 0, played: 0, speed: 0, playing: true, last: 0};
  const controls = wire(figure, clips, state, (name) => express(gl, cards.figure, name));
  listen(canvas, state);
  const frame = (now) => {
    state.seen = now / 1000;
    advance(state, Math.min((now - state.last) / 1000, 0.1));
    state.last = now;
    controls.tell();
    drawMoment(gl, cards, figure, state);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

function advance(state, seconds) {
  if (!state.playing || !state.clip) return;
  state.t += seconds;
  state.played += seconds;
  if (state.t > state.clip.seconds) state.t %= Math.max(state.clip.seconds, 1e-6);
}

function wire(figure, clips, state, expressed) {
  const select = document.getElementById("clip"), play = document.getElementById("play"), bar = document.getElementById("time");
  const choose = (k) => Object.assign(state, {clip: figure.clips[k] || null, t: 0, played: 0, speed: clips[k] ? clips[k].ground_m_s : 0});
  figure.clips.forEach((clip, k) => select.add(new Option(clip.name, k)));
  select.add(new Option("rest", -1));
  select.onchange = () => choose(Number(select.value));
  play.onclick = () => { state.playing = !state.playing; };
  bar.oninput = () => { state.playing = false; state.t = bar.value * (state.clip ? state.clip.seconds : 0); };
  const face = document.getElementById("face");
  face.add(new Option("blinking", ""));
  figure.expressions.forEach((name) => face.add(new Option(name, name)));
  face.onchange = () => { state.face = face.value || null; expressed(state.face); };
  face.hidden = !figure.expressions.length;
  for (const control of [select, play, bar]) control.hidden = !figure.clips.length;
  document.getElementById("controls").hidden = !figure.clips.length && !figure.expressions.length;
  choose(0);
  return {tell() {
    play.textContent = state.playing ? "pause" : "play";
    if (state.clip && document.activeElement !== bar) bar.value = state.t / state.clip.seconds;
  }};
}

if (typeof module !== "undefined") module.exports = {readFigure, worldsAt, skinMatrices, orbitView, perspective, multiply, sample, advance, zoom, blinkAt};
