"use strict";
// What lies in space, turned by hand: points, edges and faces are drawn into pixels here, the nearest of each stays.
for (const canvas of document.querySelectorAll("canvas[data-points]")) {
  const bytes = (name) => Uint8Array.from(atob(canvas.dataset[name] || ""), (one) => one.charCodeAt(0));
  const floats = (name) => new Float32Array(bytes(name).buffer);
  const points = floats("points"), normals = floats("normals"), edges = floats("edges"), inks = bytes("inks");
  const faces = new Int32Array(bytes("faces").buffer);
  const count = points.length / 3, size = canvas.width, middle = (size - 1) / 2;
  const context = canvas.getContext("2d"), image = context.createImageData(size, size);
  const pixels = new Uint32Array(image.data.buffer), nearest = new Float32Array(size * size);
  const light = [-0.2, 0.63, 0.75];

  const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
  for (const held of [points, edges]) {
    for (let at = 0; at < held.length; at++) {
      if (held[at] < low[at % 3]) low[at % 3] = held[at];
      if (held[at] > high[at % 3]) high[at % 3] = held[at];
    }
  }
  const centre = low.map((one, axis) => (Number.isFinite(one) ? one / 2 + high[axis] / 2 : 0));
  const reach = Math.hypot(...low.map((one, axis) => (Number.isFinite(one) ? high[axis] / 2 - one / 2 : 0))) || 1;
  let turn, tilt, zoom, asked = false;

  // Across, up, and towards the eye.
  function turned(x, y, z) {
    const away = x * Math.sin(turn) + y * Math.cos(turn);
    return [x * Math.cos(turn) - y * Math.sin(turn), z * Math.cos(tilt) + away * Math.sin(tilt),
            z * Math.sin(tilt) - away * Math.cos(tilt)];
  }
  function placed(held, at) {
    const scale = middle * 0.95 * zoom / reach;
    const [across, up, near] = turned(held[at] - centre[0], held[at + 1] - centre[1], held[at + 2] - centre[2]);
    return [middle + across * scale, middle - up * scale, near * scale];
  }
  function put(x, y, near, red, green, blue) {
    if (x < 0 || y < 0 || x >= size || y >= size) return;
    const at = y * size + x;
    if (near <= nearest[at]) return;
    nearest[at] = near;
    pixels[at] = 0xff000000 | blue << 16 | green << 8 | red;
  }
  function dot(x, y, near, ...ink) {
    x = Math.round(x); y = Math.round(y);
    put(x, y, near, ...ink); put(x + 1, y, near, ...ink); put(x, y + 1, near, ...ink); put(x + 1, y + 1, near, ...ink);
  }
  function face(one, two, three) {
    const area = (two[0] - one[0]) * (three[1] - one[1]) - (three[0] - one[0]) * (two[1] - one[1]);
    if (!area) return;
    const left = Math.max(0, Math.floor(Math.min(one[0], two[0], three[0])));
    const right = Math.min(size - 1, Math.ceil(Math.max(one[0], two[0], three[0])));
    const top = Math.max(0, Math.floor(Math.min(one[1], two[1], three[1])));
    const bottom = Math.min(size - 1, Math.ceil(Math.max(one[1], two[1], three[1])));
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const second = ((x - one[0]) * (three[1] - one[1]) - (three[0] - one[0]) * (y - one[1])) / area;
        const third = ((two[0] - one[0]) * (y - one[1]) - (x - one[0]) * (two[1] - one[1])) / area;
        const first = 1 - second - third;
        if (first < -1e-4 || second < -1e-4 || third < -1e-4) continue;
        const mixed = (part) => first * one[part] + second * two[part] + third * three[part];
        put(x, y, mixed(2), mixed(3), mixed(4), mixed(5));
      }
    }
  }
  function draw() {
    asked = false;
    pixels.fill(0xff000000);
    nearest.fill(-Infinity);
    if (faces.length) {
      const corners = Array.from({length: count}, (_, at) => {
        const toLight = turned(normals[3 * at], normals[3 * at + 1], normals[3 * at + 2])
          .reduce((sum, part, axis) => sum + part * light[axis], 0);
        const shade = 0.3 + 0.7 * Math.abs(toLight);
        return [...placed(points, 3 * at), ...[0, 1, 2].map((part) => Math.min(255, shade * inks[3 * at + part]))];
      });
      for (let at = 0; at < faces.length; at += 3) face(corners[faces[at]], corners[faces[at + 1]], corners[faces[at + 2]]);
    } else {
      for (let at = 0; at < count; at++) dot(...placed(points, 3 * at), inks[3 * at], inks[3 * at + 1], inks[3 * at + 2]);
    }
    for (let at = 0; at < edges.length; at += 6) {
      const from = placed(edges, at), to = placed(edges, at + 3);
      const steps = Math.min(4 * size, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1])) || 1);
      for (let step = 0; step <= steps; step++) {
        const [x, y, near] = from.map((one, part) => one + (to[part] - one) * step / steps);
        put(Math.round(x), Math.round(y), near, 255, 255, 255);
      }
    }
    context.putImageData(image, 0, 0);
  }
  function change(across, up, nearer) {
    turn -= across; tilt = Math.max(-1.57, Math.min(1.57, tilt + up)); zoom = Math.max(0.1, Math.min(50, zoom * nearer));
    if (!asked) { asked = true; requestAnimationFrame(draw); }
  }
  function back() { turn = 0.6; tilt = 0.4; zoom = 1; change(0, 0, 1); }

  const keys = {ArrowLeft: [-0.1, 0, 1], ArrowRight: [0.1, 0, 1], ArrowUp: [0, -0.1, 1], ArrowDown: [0, 0.1, 1],
                "+": [0, 0, 1.15], "-": [0, 0, 1 / 1.15]};
  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons) change(event.movementX / 120, event.movementY / 120, 1);
  });
  canvas.addEventListener("wheel", (event) => { event.preventDefault(); change(0, 0, Math.exp(-event.deltaY / 600)); },
                          {passive: false});
  canvas.addEventListener("keydown", (event) => {
    if (event.key in keys) { event.preventDefault(); change(...keys[event.key]); }
  });
  canvas.addEventListener("dblclick", back);
  back();
}
