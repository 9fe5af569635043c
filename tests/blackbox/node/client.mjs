// A socket.io client: `node client.mjs URL HOST ADDRESS TRANSPORTS WHAT`, WHAT being echo, rooms, binary, leave or stay.
// Connects to ADDRESS whatever URL's host is, trusts the authority in NODE_EXTRA_CA_CERTS, prints one JSON line.
import { Agent } from "node:https";
import { io } from "socket.io-client";

const [url, host, address, transports, what] = process.argv.slice(2);
const lookup = (_name, options, done) =>
  options.all ? done(null, [{ address, family: 4 }]) : done(null, address, 4);
const agent = new Agent({ lookup, keepAlive: true });
const connect = () => io(url, { transports: transports.split(","), agent, reconnection: false, timeout: 8000, forceNew: true });
const when = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));
const finish = (result) => { console.log(JSON.stringify(result)); process.exit(0); };

const socket = connect();
socket.on("connect_error", (error) => finish({ error: String(error), context: String(error.context?.status ?? "") }));
await when(socket, "connect");

if (what === "echo") {
  const answers = [];
  for (let number = 0; number < 20; ++number) answers.push(await socket.emitWithAck("echo", `message ${number}`));
  if (transports.includes(",") && socket.io.engine.transport.name !== "websocket") await when(socket.io.engine, "upgrade");
  finish({ answers, about: await socket.emitWithAck("about"), transport: socket.io.engine.transport.name });
} else if (what === "rooms") {
  const other = connect();
  await when(other, "connect");
  await other.emitWithAck("join", "site");
  const news = when(other, "news");
  socket.emit("publish", "site", { host });
  finish({ news: await news });
} else if (what === "binary") {
  const sent = Buffer.alloc(1_000_000, 7);
  const back = await socket.emitWithAck("echo", sent);
  finish({ same: Buffer.compare(sent, Buffer.from(back)) === 0 });
} else if (what === "leave") {
  const gone = when(socket, "disconnect");
  socket.emit("leave");
  finish({ reason: await gone });
} else if (what === "stay") {
  console.log(JSON.stringify({ connected: true }));
  finish({ reason: await when(socket, "disconnect") });
}
