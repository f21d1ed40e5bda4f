// Draws the maps that an explorer carries over any picture or player of its clip.
const COLUMNS = 96;

class VmMaps {
  constructor(root) {
    this.palette = Uint8Array.from(atob(root.dataset.palette), (c) => c.charCodeAt(0));
    this.opacity = Number(root.dataset.opacity);
    this.times = root.dataset.mapTimes.split(" ").map(Number);
    [this.rows, this.columns] = root.dataset.mapSize.split(" ").map(Number);
    this.seen = root.dataset.mapSeen.split(" ").map(Number);
    this.covered = root.dataset.mapCovered.split(" ").map(Number);
    const bytes = Uint8Array.from(atob(root.dataset.maps), (c) => c.charCodeAt(0));
    this.levels = new Uint16Array(bytes.buffer);
    this.most = Math.max(...this.times.map((_, i) => this.map(i).reduce((a, b) => a + b, 0)), 1);
  }

  map(index) {
    const size = this.rows * this.columns;
    return this.levels.subarray(index * size, (index + 1) * size);
  }

  // Between the sampled frames as Saliency.at: blended linearly.
  at(time) {
    let after = this.times.findIndex((t) => t >= time);
    if (after < 0) after = this.times.length - 1;
    const before = Math.max(after - 1, 0);
    const gap = this.times[after] - this.times[before];
    const share = gap > 0 ? Math.min(Math.max((time - this.times[before]) / gap, 0), 1) : 1;
    const [a, b] = [this.map(before), this.map(after)];
    return Float32Array.from(a, (value, i) => (1 - share) * value + share * b[i]);
  }

  draw(canvas, time, width, height) {
    const map = this.at(time);
    const strength = Math.min(1, map.reduce((a, b) => a + b, 0) / this.most) / Math.max(...map, 1);
    const rows = Math.max(2, Math.round((COLUMNS * height) / width));
    const small = new OffscreenCanvas(COLUMNS, rows);
    const context = small.getContext("2d");
    const image = context.createImageData(COLUMNS, rows);
    for (let y = 0; y < rows; y += 1) {
      for (let x = 0; x < COLUMNS; x += 1) {
        const level = this.sample(map, (x + 0.5) / COLUMNS, (y + 0.5) / rows) * strength;
        const colour = 3 * Math.round(255 * level);
        const pixel = 4 * (y * COLUMNS + x);
        image.data.set(this.palette.subarray(colour, colour + 3), pixel);
        image.data[pixel + 3] = Math.round(255 * this.opacity * level);
      }
    }
    context.putImageData(image, 0, 0);
    canvas.width = Math.round(width);
    canvas.height = Math.round(height);
    const big = canvas.getContext("2d");
    big.imageSmoothingQuality = "high";
    big.drawImage(small, 0, 0, canvas.width, canvas.height);
  }

  // The map at a place of the frame: linear between its cells, the nearest cell beyond them, 0 where nothing was seen.
  sample(map, x, y) {
    const [left, top, right, bottom] = this.seen;
    if (x < left || x > right || y < top || y > bottom) return 0;
    const inside = (share, from, to, cells) => Math.min(Math.max(((share - from) / (to - from)) * cells - 0.5, 0), cells - 1);
    const column = inside(x, this.covered[0], this.covered[2], this.columns);
    const row = inside(y, this.covered[1], this.covered[3], this.rows);
    const [c, r] = [Math.min(Math.floor(column), this.columns - 2), Math.min(Math.floor(row), this.rows - 2)].map((v) => Math.max(v, 0));
    const [p, q] = [column - c, row - r];
    const value = (i, j) => map[Math.min(i, this.rows - 1) * this.columns + Math.min(j, this.columns - 1)];
    return (1 - q) * ((1 - p) * value(r, c) + p * value(r, c + 1)) + q * ((1 - p) * value(r + 1, c) + p * value(r + 1, c + 1));
  }
}

// The canvas that lies over a picture or a player.
function vmLayer(target, create) {
  let canvas = target.parentElement.querySelector("canvas.vm-layer");
  if (!canvas && create) {
    canvas = document.createElement("canvas");
    canvas.className = "vm-layer";
    canvas.setAttribute("aria-hidden", "true");
    target.after(canvas);
    if (getComputedStyle(target.parentElement).position === "static") target.parentElement.style.position = "relative";
  }
  if (canvas) canvas.hidden = !create;
  return canvas;
}

// Where in its parent a picture or a player shows its frame, without the bars beside it.
function vmInner(target) {
  const [own, around] = [target.getBoundingClientRect(), target.parentElement.getBoundingClientRect()];
  const width = target.videoWidth || target.naturalWidth || own.width;
  const height = target.videoHeight || target.naturalHeight || own.height;
  const scale = Math.min(own.width / width, own.height / height);
  return {
    left: own.left - around.left + (own.width - width * scale) / 2,
    top: own.top - around.top + (own.height - height * scale) / 2,
    width: width * scale,
    height: height * scale,
  };
}

function vmPlace(canvas, target) {
  const place = vmInner(target);
  for (const side of ["left", "top", "width", "height"]) canvas.style[side] = `${place[side]}px`;
  return place;
}
