// Takes frame messages apart, decodes and draws them; newest only, if decoding does not keep up.

export function unpack(data) {
  const view = new DataView(data);
  const length = view.getUint32(4);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 8, length)));
  let start = 8 + length;
  const blobs = header.sizes.map((size) => {
    const blob = new Blob([new Uint8Array(data, start, size)], { type: header.type });
    start += size;
    return blob;
  });
  return { ...header, acted: view.getUint32(0), blobs };
}

export class Picture {
  // canvases: the dream's and the truth's. drawn(frame): called once a frame is on the canvas.
  // done(): called for every frame, drawn or not: there is room for another.
  constructor(canvases, { drawn, done }) {
    this.canvases = canvases;
    this.drawn = drawn;
    this.done = done;
    this.next = null;
    this.busy = false;
  }

  take(data) {
    if (this.next) this.done();
    this.next = unpack(data);
    if (!this.busy) this.work();
  }

  forget() {
    this.next = null;
  }

  async work() {
    this.busy = true;
    while (this.next) {
      const frame = this.next;
      this.next = null;
      try {
        const bitmaps = await Promise.all(frame.blobs.map((blob) => createImageBitmap(blob)));
        bitmaps.forEach((bitmap, i) => draw(this.canvases[i], bitmap));
        this.drawn(frame);
      } catch (error) {
        console.warn("a frame could not be drawn:", error);
      }
      this.done();
    }
    this.busy = false;
  }
}

function draw(canvas, bitmap) {
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  canvas.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
  bitmap.close();
}
