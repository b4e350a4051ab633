// onnxruntime.js - ONNX Runtime on the same model: onnxruntime.js MODEL.onnx WIDTH HEIGHT THREADS ROUNDS
// Prints the best time in ms and the process's peak memory in MB.  Needs the npm package onnxruntime-node.
// SPDX-License-Identifier: GPL-3.0-or-later
const ort = require('onnxruntime-node');
const [file, width, height, threads, rounds] = process.argv.slice(2).map((a, i) => (i ? Number(a) : a));

async function main() {
  const session = await ort.InferenceSession.create(file, {intraOpNumThreads: threads, interOpNumThreads: 1});
  const feeds = {};
  for (const meta of session.inputMetadata) {
    const shape = [1, meta.shape[1], height, width];
    const values = new Float32Array(shape[1] * height * width);
    for (let i = 0; i < values.length; i++) values[i] = ((i * 7919) % 1000) / 1000;
    feeds[meta.name] = new ort.Tensor('float32', values, shape);
  }
  let best = Infinity;
  for (let round = 0; round <= rounds; round++) {
    const start = process.hrtime.bigint();
    await session.run(feeds);
    const ms = Number(process.hrtime.bigint() - start) / 1e6;
    if (round > 0 && ms < best) best = ms;
  }
  console.log(best.toFixed(1), Math.floor(process.resourceUsage().maxRSS / 1024));
}
main();
