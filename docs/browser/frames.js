// Frames as the network takes them: the arithmetic of the video processor.
"use strict";

/** Pillow's antialiased bilinear resizing of RGBA pixels to RGB, which the networks were measured on. */
function resize(rgba, width, height, newWidth, newHeight) {
  const across = coefficients(width, newWidth), down = coefficients(height, newHeight);
  const narrow = new Uint8ClampedArray(newWidth * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < newWidth; x++) {
      const { start, weights } = across[x];
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * rgba[(y * width + start + k) * 4 + c];
        narrow[(y * newWidth + x) * 3 + c] = Math.round(sum);
      }
    }
  const rgb = new Uint8ClampedArray(newWidth * newHeight * 3);
  for (let y = 0; y < newHeight; y++) {
    const { start, weights } = down[y];
    for (let i = 0; i < newWidth * 3; i++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * narrow[(start + k) * newWidth * 3 + i];
      rgb[y * newWidth * 3 + i] = Math.round(sum);
    }
  }
  return rgb;
}

/** For each new pixel where its old ones begin, and their weights. */
function coefficients(size, newSize) {
  const scale = size / newSize, reach = Math.max(scale, 1);
  return Array.from({ length: newSize }, (_, index) => {
    const centre = (index + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(size, Math.trunc(centre + reach + 0.5));
    const weights = [];
    for (let x = start; x < end; x++) weights.push(Math.max(0, 1 - Math.abs((x - centre + 0.5) / reach)));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { start, weights: weights.map((weight) => weight / sum) };
  });
}

/** Width and height after resizing. */
function resizedSides(width, height, size) {
  if (!size.shortest_edge) return [size.width, size.height];
  const short = Math.min(width, height);
  return [Math.floor((size.shortest_edge * width) / short), Math.floor((size.shortest_edge * height) / short)];
}

/** Pixels (1, 1, 3, height, width) of a frame, `{data, width, height}` RGBA. */
function toInput(image, processor) {
  const [width, height] = processor.do_resize ? resizedSides(image.width, image.height, processor.size) : [image.width, image.height];
  const rgb = resize(image.data, image.width, image.height, width, height);
  let [left, top, side, rows] = [0, 0, width, height];
  if (processor.do_center_crop) {
    [side, rows] = [processor.crop_size.width, processor.crop_size.height];
    if (side > width || rows > height) throw new Error("this page cannot crop frames that are smaller than the crop");
    [left, top] = [Math.round((width - side) / 2), Math.round((height - rows) / 2)];
  }
  const scale = processor.do_rescale ? processor.rescale_factor : 1;
  const pixels = new Float32Array(3 * rows * side);
  for (let c = 0; c < 3; c++) {
    const [mean, std] = processor.do_normalize ? [processor.image_mean[c], processor.image_std[c]] : [0, 1];
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < side; x++)
        pixels[(c * rows + y) * side + x] = (rgb[((top + y) * width + left + x) * 3 + c] * scale - mean) / std;
  }
  return new ort.Tensor("float32", pixels, [1, 1, 3, rows, side]);
}

/** Times of the frames that are scored: a last interval under half as long as the others gives none. */
function sampleTimes(duration, fps) {
  const count = Math.max(1, Math.floor(duration * fps + 0.5));
  return Array.from({ length: count }, (_, index) => index / fps);
}
