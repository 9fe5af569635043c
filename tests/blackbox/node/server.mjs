// A socket.io server as Frappe runs one: `node server.mjs ADDRESS PORT`. Says `ready` when it listens.
import { createServer } from "node:http";
import { Server } from "socket.io";

const [address, port] = process.argv.slice(2);
// A page that talks to it, and writes what became of it into its body's data-result: GET /page/TRANSPORT.
const page = (transport) => `<!doctype html><title>chat</title><body>
<script src="/socket.io/socket.io.js"></script><script>
const socket = io({ transports: ["${transport}"] });
const answers = [];
const tell = (more) => document.body.setAttribute("data-result", JSON.stringify({ answers, ...more }));
const ask = (...words) => new Promise((done) => socket.emit(...words, done));
socket.on("connect_error", (error) => tell({ error: String(error) }));
socket.on("connect", async () => {
  for (let number = 0; number < 10; number++) answers.push(await ask("echo", "message " + number));
  const about = await ask("about");
  const protocols = performance.getEntriesByType("resource").map((entry) => entry.nextHopProtocol);
  tell({ about, protocols: [...new Set(protocols)] });
});
</script>`;
const http = createServer((request, response) => {
  const transport = request.url.match(/^\/page\/(polling|websocket)$/)?.[1];
  response.writeHead(transport ? 200 : 404, { "Content-Type": "text/html" });
  response.end(transport ? page(transport) : "");
});
const io = new Server(http, { maxHttpBufferSize: 5e6, pingInterval: 500, pingTimeout: 2000 });

io.on("connection", (socket) => {
  socket.on("echo", (message, reply) => reply(message));
  socket.on("about", (reply) =>
    reply({ transport: socket.conn.transport.name, host: socket.handshake.headers.host, address: socket.handshake.headers["x-forwarded-for"] }));
  socket.on("join", (room, reply) => { socket.join(room); reply("joined"); });
  socket.on("publish", (room, message) => io.to(room).emit("news", message));
  socket.on("leave", () => socket.disconnect(true));
});

http.listen(Number(port), address, () => console.log("ready"));
