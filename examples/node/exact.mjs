// Whether this processor's 8-bit kernels saturate, and what to ask of a session then.
import "./quiet.mjs";

import * as ort from "onnxruntime-node";

// y = MatMulInteger(a, b), a (1, 4) uint8, b (4, 16) int8, all 127: the graph that t2a_edge.runner has.
const FOUR_PRODUCTS =
  "CAoSADqUAQoYCgFhCgFiEgF5Ig1NYXRNdWxJbnRlZ2VyEgFwKksIBAgQEANCAWJKQH9/f39/f39/f39/f39/f39/" +
  "f39/f39/f39/f39/f39/f39/f39/f39/f39/f39/f39/f39/f39/f39/f39/f39aEwoBYRIOCgwIAhIICgIIAQoC" +
  "CARiEwoBeRIOCgwIBhIICgIIAQoCCBBCBAoAEBQ=";

/** Session options with which INT8 is exact; on x86 without INT8 dot products that costs speed. */
export async function exactOptions(options) {
  const session = await ort.InferenceSession.create(Buffer.from(FOUR_PRODUCTS, "base64"));
  const a = new ort.Tensor("uint8", new Uint8Array(4).fill(255), [1, 4]);
  const { y } = await session.run({ a });
  const exact = y.data.every((sum) => sum === 4 * 255 * 127);
  return exact ? options : { ...options, extra: { session: { x64quantprecision: "1" } } };
}
