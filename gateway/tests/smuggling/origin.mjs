// Tells, in a line each, which requests begin and which are whole. Lenient on purpose: whatever it can read as a request, it does.
import http from "node:http";

const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const patience = { keepAliveTimeout: 60_000, requestTimeout: 60_000 };

const server = http.createServer({ insecureHTTPParser: true, ...patience }, (request, response) => {
  tell({ begun: request.url });
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    tell({ whole: request.url, body: Buffer.concat(parts).toString("latin1") });
    response.end("{}");
  });
});
server.listen(0, "127.0.0.1", () => tell({ port: server.address().port }));
