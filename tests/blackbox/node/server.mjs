// A socket.io server as Frappe runs one: `node server.mjs ADDRESS PORT`. Says `ready` when it listens.
import { createServer } from "node:http";
import { Server } from "socket.io";

const [address, port] = process.argv.slice(2);
const http = createServer();
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
