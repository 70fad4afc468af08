import * as ort from 'onnxruntime-web/wasm';
import fs from 'fs';
ort.env.wasm.numThreads=1;
ort.env.wasm.wasmPaths = new URL('./node_modules/onnxruntime-web/dist/', import.meta.url).href;
const [,, model, feedsFile, out] = process.argv;
const s = await ort.InferenceSession.create(fs.readFileSync(model), {executionProviders:['wasm']});
const cases = JSON.parse(fs.readFileSync(feedsFile));
const res=[];
for (const c of cases){
  const f={};
  for (const [k,v] of Object.entries(c)){
    let d = v.data;
    if (v.type==='int64') d = BigInt64Array.from(d.map(x=>BigInt(x)));
    else if (v.type==='float32') d=Float32Array.from(d); else if(v.type==='uint8') d=Uint8Array.from(d);
    f[k]=new ort.Tensor(v.type,d,v.dims);
  }
  const t=performance.now(); const r=await s.run(f); const ms=performance.now()-t;
  const o={ms}; for (const k of Object.keys(r)) o[k]=Array.from(r[k].data, Number);
  res.push(o);
}
fs.writeFileSync(out, JSON.stringify(res));
