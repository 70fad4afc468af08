// The metadata of an ONNX file, out of its protobuf bytes: onnxruntime-node does not hand it out.
const METADATA_PROPS = 14; // of ModelProto

/** The entries, name to value; null where the bytes are no ONNX model. */
export function metadataOf(bytes) {
  const entries = {};
  try {
    for (const [field, entry] of fields(bytes)) {
      if (field !== METADATA_PROPS) continue;
      const [[, name], [, value]] = fields(entry);
      entries[name.toString()] = value.toString();
    }
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return null;
    throw error;
  }
  return entries;
}

/** Number and bytes of the fields that have a length, of one message. */
function* fields(message) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (at >= message.length) throw new RangeError("cut short");
      const byte = message[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const size = varint(); // of a field without length: its value
    if (tag % 8 === 2) {
      if (at + size > message.length) throw new RangeError("cut short");
      yield [Math.floor(tag / 8), message.subarray(at, at + size)];
      at += size;
    } else if (tag % 8 !== 0) throw new RangeError("no such field in an ONNX model");
  }
}
