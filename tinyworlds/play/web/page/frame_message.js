// Frames as picture.js takes them (play/browser/messages.py), with pictures as bitmaps: nothing has to pack them here.

const HEAD = 54; // bytes before the pixels of a bitmap

// A bitmap file of a picture: bytes [H, W, 3], red first.
export function bitmap(picture, size) {
  const row = Math.ceil((3 * size) / 4) * 4;
  const bytes = new Uint8Array(HEAD + row * size);
  const view = new DataView(bytes.buffer);
  bytes.set([0x42, 0x4d]); // "BM"
  view.setUint32(2, bytes.length, true);
  view.setUint32(10, HEAD, true);
  view.setUint32(14, 40, true); // bytes of what follows
  view.setInt32(18, size, true);
  view.setInt32(22, size, true); // the lowest row comes first
  view.setUint16(26, 1, true);
  view.setUint16(28, 24, true); // bits of a pixel
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const from = ((size - 1 - y) * size + x) * 3;
      const into = HEAD + y * row + 3 * x;
      [bytes[into + 2], bytes[into + 1], bytes[into]] = picture.subarray(from, from + 3);
    }
  }
  return bytes;
}

// header: what is said of the frame. acted: id of the last key message that acts in it.
export function pack({ images, ...said }, size, acted) {
  const pictures = images.map((image) => bitmap(image, size));
  const header = { ...said, type: "image/bmp", sizes: pictures.map((picture) => picture.length) };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = 8 + text.length + pictures.reduce((sum, picture) => sum + picture.length, 0);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, acted);
  view.setUint32(4, text.length);
  bytes.set(text, 8);
  let at = 8 + text.length;
  for (const picture of pictures) {
    bytes.set(picture, at);
    at += picture.length;
  }
  return bytes.buffer;
}
