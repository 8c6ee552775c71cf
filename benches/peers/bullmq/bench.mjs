// How many jobs that do nothing BullMQ works off per second: the same question as benches/queue.rs asks of us.
//
// The jobs are added beforehand, in bulk, to a Redis without persistence; the clock runs from the start of the workers until the last
// job is completed. BullMQ (the open source one) keeps no order per key, so it has less to do than we have. A Node process has
// one thread for JavaScript, so there may be several of them.
import { fork } from 'node:child_process';
import { Queue, Worker } from 'bullmq';

const [jobs, processes, concurrency, port] = process.argv.slice(2).map(Number);
const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null };
const removed = { removeOnComplete: true, removeOnFail: true };

if (process.env.BENCH_WORKER) {
  const worker = new Worker('bench', async () => {}, { connection, concurrency, autorun: false, drainDelay: 1 });
  let done = 0;
  let told = 0;
  worker.on('completed', () => { done += 1; });
  const tell = setInterval(() => { if (done > told) { process.send(done - told); told = done; } }, 5);
  process.on('message', async (order) => {
    if (order === 'start') { worker.run(); return; }
    clearInterval(tell);
    await worker.close(true);
    process.exit(0);
  });
  await worker.waitUntilReady();
  process.send('ready');
} else {
  const queue = new Queue('bench', { connection });
  await queue.obliterate({ force: true });
  for (let left = jobs; left > 0; left -= 5000) {
    await queue.addBulk(Array.from({ length: Math.min(left, 5000) }, () => ({ name: 'nothing', data: {}, opts: removed })));
  }
  const children = Array.from({ length: processes }, () => fork(new URL(import.meta.url), process.argv.slice(2), { env: { ...process.env, BENCH_WORKER: '1' } }));
  await Promise.all(children.map((child) => new Promise((ready) => child.once('message', ready))));
  let done = 0;
  const started = process.hrtime.bigint();
  await new Promise((end) => {
    for (const child of children) {
      child.on('message', (count) => { done += count; if (done >= jobs) end(); });
      child.send('start');
    }
  });
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  console.log((jobs / seconds).toFixed(0));
  for (const child of children) child.send('stop');
  await queue.close();
}
